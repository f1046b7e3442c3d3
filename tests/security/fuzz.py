"""Fuzz one parser for a while: `python -m tests.security.fuzz PARSER [SECONDS]`; found cases go into the corpus.

With atheris (Python 3.12 and later) what is covered steers the edits; without it they are blind.
"""

import gc
import hashlib
import random
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType

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


def instrumentable() -> Iterator[FunctionType]:
    """Functions of the product: all those of its libraries take minutes to instrument. Compiled ones are read by
    numba, which knows no instrumented code.
    """
    from numba.core.dispatcher import Dispatcher

    objects = gc.get_objects()
    compiled = {id(found.py_func) for found in objects if isinstance(found, Dispatcher)}
    for found in objects:
        ours = isinstance(found, FunctionType) and str(found.__module__).startswith("gal_friday_")
        if ours and id(found) not in compiled:
            yield found


def steered(name: str, seconds: float) -> None:
    """By coverage; atheris ends the process itself."""
    import atheris

    examples = CORPUS / f".{name}"
    examples.mkdir(parents=True, exist_ok=True)
    for number, example in enumerate(PARSERS[name].examples()):
        (examples / str(number)).write_bytes(example)
        attempt(name, example)  # what is compiled at the first use must not count as time
    for function in instrumentable():
        atheris.instrument_func(function)
    atheris.Setup(
        [sys.argv[0], f"-max_total_time={seconds:g}", str(examples)],
        lambda text: attempt(name, text) and None,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    wanted, duration = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 60.0
    if sys.version_info >= (3, 12) and find_spec("atheris"):
        steered(wanted, duration)
    else:
        print(f"{wanted}: {blindly(wanted, duration):,} texts tried, nothing found")
