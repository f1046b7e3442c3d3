"""docs/cli.md, written from the commands themselves: `python -m gal_friday_live.commands.reference > docs/cli.md`."""

import re
import sys
from collections.abc import Iterator
from typing import Any

import typer

from gal_friday_live.commands.guide import BUILD, EXAMPLES, PANELS

HEAD = """\
# Every command

Written from the program by `python -m gal_friday_live.commands.reference`; `--help` says the same.

Results go to standard output, progress to standard error, so `--json` can be piped. Exit code 0: done. 1: done, and the answer is no
(a check fails, books differ, a promise was broken). 2: the input was wrong, or what it needs is not there: one line says what was
wrong, where, and what to do. 130: interrupted.

`--config FILE`, or `GAL_FRIDAY_CONFIG`, names the settings; the environment wins over the file ([configuration](configuration.md)).
`gal-friday --install-completion` teaches the shell to complete commands and options, and pairs, models and strategies by what is
there.
"""
_MARKUP = re.compile(r"\\(\[)|\[/?(?:bold|dim|italic)?\]")


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command below a group with its words, in the order of the program."""
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, inner in command.commands.items():
        yield from leaves(inner, (*path, name))


def program() -> Any:
    """The whole program, as the library that parses command lines knows it."""
    from gal_friday_live.cli import app

    return typer.main.get_command(app)


def reference() -> str:
    """The page."""
    panel_of = {name: panel for panel, names in PANELS.items() for name in names}
    pages: dict[str, list[str]] = {panel: [] for panel in PANELS}
    for path, command in leaves(program()):
        pages[panel_of.get(path[0], BUILD)].append(_section(" ".join(path), command))
    parts = [f"## {panel}\n\n{''.join(sections)}" for panel, sections in pages.items() if sections]
    return HEAD + "\n" + "\n".join(parts).rstrip() + "\n"


def _section(name: str, command: Any) -> str:
    text = f"### gal-friday {name}\n\n{_prose(command.help or '')}\n\n"
    if lines := EXAMPLES.get(name):
        text += "```sh\n" + "".join(f"gal-friday {line}\n" for line in lines) + "```\n\n"
    rows = "".join(_row(one) for one in command.params if not getattr(one, "hidden", False))
    return f"{text}| Argument or option | Meaning |\n|---|---|\n{rows}\n" if rows else text


def _prose(text: str) -> str:
    """Help without the marks that colour it; blocks whose lines are kept stay blocks."""
    blocks = []
    for block in _MARKUP.sub(r"\1", text).strip().split("\n\n"):
        kept, lines = block.startswith("\b"), block.strip("\b\n").split("\n")
        blocks.append(
            "\n".join(["```", *lines, "```"]) if kept else "\n".join(line.strip() for line in lines)
        )
    return "\n\n".join(blocks)


def _row(one: Any) -> str:
    if one.param_type_name == "argument":
        name = f"`{one.metavar or one.name.upper()}`"
    else:
        name = ", ".join(f"`{word}`" for word in (*one.opts, *one.secondary_opts))
    told = _MARKUP.sub(r"\1", one.help or "").replace("\n", " ").replace("|", "\\|")
    shown = getattr(one, "show_default", True) and not one.required
    default = one.default
    if shown and default not in (None, False, (), []) and not callable(default):
        told += f" Default: `{default}`."
    return f"| {name} | {told}{' Required.' if one.required else ''} |\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
