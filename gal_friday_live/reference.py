"""Reference pages made from the code itself: `python -m gal_friday_live.reference` writes docs/configuration.md."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from gal_friday_core.config import Config, Section

INTRODUCTION = """# Configuration

Every setting, from the code that reads it. Copy
[`gal_friday_live/default_config.yaml`](../gal_friday_live/default_config.yaml), which says the same beside each key,
change what you need, delete the rest, and pass the file with `--config`, or name it in `GAL_FRIDAY_CONFIG`. `gal-friday init` writes
one and asks for what it needs; `gal-friday doctor` says what is unwise in it.

- The environment wins over the file: `GAL_FRIDAY__RISK__RISK_PER_TRADE=0.01`. `GAL_FRIDAY_DATA_DIR` and
  `GAL_FRIDAY_DATABASE_URL` are short for the two storage keys.
- An unknown key is an error that names the nearest valid one; a missing file is an error, not silence.
- Fractions are fractions (0.01 is one per cent); money is in quote currency.
- Exchange keys never stand in a configuration file: `KRAKEN_API_KEY` and `KRAKEN_API_SECRET`, or
  `KRAKEN_API_KEY_FILE` and `KRAKEN_API_SECRET_FILE`, which name files that only their owner may read.
"""


def configuration_page() -> str:
    """Markdown: one table a section of `Config`."""
    parts = [INTRODUCTION]
    for name, field in Config.model_fields.items():
        section = _section(field)
        if section is None:
            parts.append(f"- `{name}` (default {_value(field.default)}): {field.description}")
            continue
        about = section.__doc__ if section.__doc__ != Section.__doc__ else None
        parts.append(f"\n## {name}\n")
        parts.append(f"{about}\n" if about else "")
        parts.append("| Key | Default | Range | Meaning |\n|---|---|---|---|")
        parts.extend(_rows(name, section))
    return "\n".join(part for part in parts if part) + "\n"


def _section(field: FieldInfo) -> type[Section] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def _rows(prefix: str, section: type[Section]) -> Iterator[str]:
    """Those of sections inside it where they stand."""
    for key, setting in section.model_fields.items():
        inner = _section(setting)
        yield from [_row(prefix, key, setting)] if inner is None else _rows(f"{prefix}.{key}", inner)


def _row(section: str, key: str, setting: FieldInfo) -> str:
    return (
        f"| `{section}.{key}` | {_value(setting.default)} | {_range(setting)} | {setting.description or ''} |"
    )


def _value(default: Any) -> str:
    if default is None:
        return "unset"
    return f"`{', '.join(default) if isinstance(default, tuple) else default}`"


def _range(setting: FieldInfo) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}  # noqa: RUF100
    bounds = (
        (sign, getattr(limit, name, None)) for limit in setting.metadata for name, sign in signs.items()
    )
    return ", ".join(f"{sign} {bound}" for sign, bound in bounds if bound is not None)


def main() -> None:
    """Write the page."""
    page = Path(__file__).parents[1] / "docs" / "configuration.md"
    page.write_text(configuration_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
