"""`python -m gal_friday_live.observability [ROOT]` writes every file anew below a checkout."""

import sys
from pathlib import Path

from gal_friday_live.observability.files import FILES

if __name__ == "__main__":
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    for name, made in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made(), encoding="utf-8")
