"""From a good message to a bad one: a few random edits of the kinds that parsers trip over. The same seed, the same text."""

import random
import re
from collections.abc import Sequence

NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
TEXT = re.compile(rb'"[^"\\]*"')
NUMBERS = (
    b"0", b"-0", b"-1", b"1e400", b"-1e400", b"1e-400", b"0e-99999", b"1e99999", b"1e-99999", b"9" * 40, b"9" * 5_000,
    b"0." + b"0" * 400 + b"1", b"1e18", b"1e-19", b"9223372036854775807", b"9223372036854775808", b"-9223372036854775809",
    b"4294967296", b"NaN", b"Infinity", b"-Infinity", b"true", b"null", b"0x10", b"1_000", b"\xd9\xa1", b".5", b"5.", b"01",
)  # fmt: skip
TOKENS = (
    *NUMBERS,
    b'""', b'"\\u0000"', b'"\\ud800"', b'"1e99999"', b'"NaN"', b'"-1"', b'"9999-12-31T23:59:59Z"', b'"0000-00-00"',
    b'"2024-01-01T00:00:00+99:99"', b'"0001-01-01T00:00:00+14:00"', b"[]", b"{}", b"[[]]", b'{"":{}}', b"[null]",
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc0\x80", b"\n", b"\r\n", b",", b"'", b"\\", b"%n",
    b"[" * 100_000, b'{"a":' * 5_000, b"x" * 70_000,
    b"../../etc/passwd", b"$(id)", b"; drop table journal; --", b"!!python/object/apply:os.system ['id']", b"&a [*a,*a]",
)  # fmt: skip


def mutated(chance: random.Random, seeds: Sequence[bytes]) -> bytes:
    """One to six edits of one of the seeds."""
    text = chance.choice(seeds)
    for _ in range(chance.randint(1, 6)):
        text = chance.choice(EDITS)(chance, text, seeds)
    return text


def _span(chance: random.Random, text: bytes) -> tuple[int, int]:
    start = chance.randint(0, len(text))
    return start, min(len(text), start + chance.choice((1, 2, 8, 64)))


def _flip(chance: random.Random, text: bytes, _: Sequence[bytes]) -> bytes:
    if not text:
        return text
    at = chance.randrange(len(text))
    return text[:at] + bytes([text[at] ^ 1 << chance.randrange(8)]) + text[at + 1 :]


def _byte(chance: random.Random, text: bytes, _: Sequence[bytes]) -> bytes:
    at = chance.randint(0, len(text))
    return text[:at] + bytes([chance.randrange(256)]) + text[at + 1 :]


def _remove(chance: random.Random, text: bytes, _: Sequence[bytes]) -> bytes:
    start, end = _span(chance, text)
    return text[:start] + text[end:]


def _repeat(chance: random.Random, text: bytes, _: Sequence[bytes]) -> bytes:
    start, end = _span(chance, text)
    return text[:end] + text[start:end] * chance.choice((1, 2, 50)) + text[end:]


def _insert(chance: random.Random, text: bytes, _: Sequence[bytes]) -> bytes:
    at = chance.randint(0, len(text))
    return text[:at] + chance.choice(TOKENS) + text[at:]


def _cut(chance: random.Random, text: bytes, _: Sequence[bytes]) -> bytes:
    return text[: chance.randint(0, len(text))]


def _splice(chance: random.Random, text: bytes, seeds: Sequence[bytes]) -> bytes:
    other = chance.choice(seeds)
    return text[: chance.randint(0, len(text))] + other[chance.randint(0, len(other)) :]


def _number(chance: random.Random, text: bytes, _: Sequence[bytes]) -> bytes:
    return _replaced(chance, text, NUMBER, NUMBERS)


def _value(chance: random.Random, text: bytes, _: Sequence[bytes]) -> bytes:
    return _replaced(chance, text, chance.choice((NUMBER, TEXT)), TOKENS)


def _replaced(
    chance: random.Random, text: bytes, form: re.Pattern[bytes], with_one_of: Sequence[bytes]
) -> bytes:
    found = list(form.finditer(text))
    if not found:
        return text
    where = chance.choice(found)
    return text[: where.start()] + chance.choice(with_one_of) + text[where.end() :]


EDITS = (_flip, _byte, _remove, _repeat, _insert, _cut, _splice, _number, _number, _value, _value)
