"""UBJSON is read as the specification says, and damaged UBJSON is refused, never crashed on."""

import contextlib
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gal_friday_core.errors import ArtifactError
from gal_friday_core.ubjson import decode

CONSTANTS = {None: b"Z", True: b"T", False: b"F"}


def encode(value):
    """A plain writer, as oracle: counted arrays, 8-byte lengths, typed arrays for NumPy."""
    if value is None or isinstance(value, bool):
        return CONSTANTS[value]
    if isinstance(value, int | float):
        return b"L" + struct.pack(">q", value) if isinstance(value, int) else b"D" + struct.pack(">d", value)
    if isinstance(value, str):
        return b"S" + text(value)
    if isinstance(value, np.ndarray):
        return b"[$d#" + encode(len(value)) + value.astype(">f4").tobytes()
    if isinstance(value, list):
        return b"[#" + encode(len(value)) + b"".join(map(encode, value))
    return b"{" + b"".join(text(key) + encode(item) for key, item in value.items()) + b"}"


def text(value):
    return encode(len(value.encode())) + value.encode()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=20,
)  # fmt: skip


@given(VALUES)
def test_what_was_written_is_read(value):
    assert decode(encode(value)) == value


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"i\xff", -1), (b"U\xff", 255), (b"I\xff\xfe", -2), (b"l\x00\x00\x01\x00", 256),
        (b"d\x3f\xc0\x00\x00", 1.5), (b"Cx", "x"), (b"[]", []), (b"[i\x01i\x02]", [1, 2]),
        (b"[#i\x02TF", [True, False]), (b"{}", {}), (b"{i\x01ai\x05}", {"a": 5}), (b"Si\x02hi", "hi"),
    ],
)  # fmt: skip
def test_every_marker_is_read(data, value):
    assert decode(data) == value


def test_typed_arrays_are_numpy_arrays():
    found = decode(encode({"x": np.array([1.5, -2.0])}))["x"]
    assert found.dtype == np.float32
    assert found.tolist() == [1.5, -2.0]
    assert decode(b"[$l#i\x02\x00\x00\x00\x01\xff\xff\xff\xff").tolist() == [1, -1]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "too early"), (b"i", "too early"), (b"L\x00", "too early"), (b"?", "unknown marker"),
        (b"Si\x05hi", "beyond the end"), (b"Si\xffhi", "beyond the end"), (b"Sd\x00\x00\x00\x00", "length of type"),
        (b"Si\x01\xff", "not UTF-8"), (b"[$Z#i\x01", "array of type"), (b"[$di\x01", "without a count"),
        (b"[$D#i\x02\x00\x00", "too early"), (b"[i\x01", "too early"), (b"{i\x01aTi\x01aF}", "twice"),
        (b"TT", "1 bytes follow"), (b"[" * 40, "nested deeper"), (b"{i\x01a" * 40, "nested deeper"),
        (b"[#L\x7f\xff\xff\xff\xff\xff\xff\xff", "beyond the end"), (b"{I\x05\x00" + b"a" * 1281 + b"T}", "a key of"),
    ],
)  # fmt: skip
def test_damaged_bytes_are_refused_with_their_place(data, message):
    with pytest.raises(ArtifactError, match=rf"{message}.* at byte"):
        decode(data)


@settings(max_examples=500, deadline=None)
@given(VALUES, st.integers(0, 10_000), st.integers(0, 255))
def test_one_changed_byte_is_read_or_refused_and_nothing_else(value, place, byte):
    data = bytearray(encode(value))
    data[place % len(data)] = byte
    with contextlib.suppress(ArtifactError):
        decode(bytes(data))


@given(VALUES, st.integers(0, 10_000))
def test_cut_bytes_are_refused(value, place):
    data = encode(value)
    with pytest.raises(ArtifactError):
        decode(data[: place % len(data)])
