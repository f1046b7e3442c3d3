"""Fuzz one parser for a while: `python -m tests.security.fuzz PARSER [SECONDS]`; found cases go into the corpus.

With atheris (Python 3.12 and later) what is covered steers the edits; without it they are blind.
"""

import hashlib
import random
import sys
import time
from pathlib import Path

from gal_friday_core.errors import GalFridayError
from tests.security.mutating import mutated
from tests.security.parsers import PARSERS

CORPUS = Path(__file__).with_name("corpus")


def attempt(name: str, text: bytes) -> bool:
    """Whether the parser understood it. Whatever is no GalFridayError comes out, after the text was kept."""
    try:
        PARSERS[name].parse(text)
    except GalFridayError:
        return False
    except BaseException:
        folder = CORPUS / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / hashlib.sha256(text).hexdigest()[:16]).write_bytes(text)
        raise
    return True


def blindly(name: str, seconds: float, seed: int = 1) -> int:
    """How many texts were tried."""
    chance, examples, tried = random.Random(seed), PARSERS[name].examples(), 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        attempt(name, mutated(chance, examples))
        tried += 1
    return tried


def steered(name: str, seconds: float) -> None:
    """By coverage; atheris ends the process itself."""
    import atheris

    examples = CORPUS / f".{name}"
    examples.mkdir(parents=True, exist_ok=True)
    for number, example in enumerate(PARSERS[name].examples()):
        (examples / str(number)).write_bytes(example)
    atheris.instrument_all()
    atheris.Setup(
        [sys.argv[0], f"-max_total_time={seconds:g}", str(examples)],
        lambda text: attempt(name, text) and None,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    wanted, duration = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 60.0
    if sys.version_info >= (3, 12) and __import__("importlib.util").util.find_spec("atheris"):
        steered(wanted, duration)
    else:
        print(f"{wanted}: {blindly(wanted, duration):,} texts tried, nothing found")
