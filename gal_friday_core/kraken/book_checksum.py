"""Kraken's book checksum, a level at a time: CRC32 over digits that are never written out.

Kraken takes CRC32 over the best ten asks, then the best ten bids, each level as the digits of its price and
its quantity without point and leading zeros: the decimal digits of the scaled integers. CRC32 is linear over
GF(2), so the share of a digit depends only on the digit and on how many digits follow. A level's share (its
piece) is the exclusive-or of looked-up shares, and pieces are strung together by shifting the sum so far by
the length of the next. A piece is computed once and kept with its level.

Source: R. Williams, A Painless Guide to CRC Error Detection Algorithms (1993); M. Adler, zlib `crc32_combine`.
"""

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.compiled import inlined

_POLYNOMIAL = 0xEDB88320
_DIGITS = 19
LONGEST_PIECE = 2 * _DIGITS


def _byte_table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
        table.append(crc)
    return table


_BYTES = _byte_table()


def _after(crc: int, text: bytes) -> int:
    """The register after more bytes, with neither initial nor final inversion: linear in both."""
    for byte in text:
        crc = crc >> 8 ^ _BYTES[(crc ^ byte) & 255]
    return crc


def _pair_shares() -> NDArray[np.uint32]:
    """[p, n] the share of two digits n (00 to 99) with 2 p digits behind them."""
    return np.array(
        [[_after(0, b"%02d" % pair + bytes(2 * place)) for pair in range(100)] for place in range(10)],
        np.uint32,
    )


def _digit_shares() -> NDArray[np.uint32]:
    """[p, n] the share of a first digit n with 2 p digits behind it."""
    return np.array(
        [[_after(0, b"%d" % digit + bytes(2 * place)) for digit in range(10)] for place in range(10)],
        np.uint32,
    )


def _shifts() -> NDArray[np.uint32]:
    """[length, nibble place, nibble] what a register's nibble becomes after `length` zero bytes."""
    return np.array(
        [
            [[_after(nibble << 4 * place, bytes(length)) for nibble in range(16)] for place in range(8)]
            for length in range(LONGEST_PIECE + 1)
        ],
        np.uint32,
    )


_PAIRS, _FIRST, _SHIFTS = _pair_shares(), _digit_shares(), _shifts()
_NIBBLE = np.uint32(15)
BEGIN = np.uint32(0xFFFFFFFF)


@inlined
def shifted(crc: np.uint32, length: int) -> np.uint32:
    """The register after `length` (0 to LONGEST_PIECE) zero bytes."""
    table = _SHIFTS[length]
    return np.uint32(
        table[0, crc & _NIBBLE]
        ^ table[1, (crc >> np.uint32(4)) & _NIBBLE]
        ^ table[2, (crc >> np.uint32(8)) & _NIBBLE]
        ^ table[3, (crc >> np.uint32(12)) & _NIBBLE]
        ^ table[4, (crc >> np.uint32(16)) & _NIBBLE]
        ^ table[5, (crc >> np.uint32(20)) & _NIBBLE]
        ^ table[6, (crc >> np.uint32(24)) & _NIBBLE]
        ^ table[7, crc >> np.uint32(28)]
    )


@inlined
def _digits(number: np.uint64) -> tuple[np.uint32, int]:
    """The share of a positive number's digits, and how many they are."""
    crc, place = np.uint32(0), 0
    hundred = np.uint64(100)
    while number >= hundred:
        rest = number // hundred
        crc ^= _PAIRS[place, number - rest * hundred]
        number = rest
        place += 1
    if number >= np.uint64(10):
        return np.uint32(crc ^ _PAIRS[place, number]), 2 * place + 2
    return np.uint32(crc ^ _FIRST[place, number]), 2 * place + 1


@inlined
def piece(price: int, quantity: int) -> int:
    """A level's share in the low 32 bits, its length in the bits above."""
    price_crc, price_length = _digits(np.uint64(price))
    quantity_crc, quantity_length = _digits(np.uint64(quantity))
    crc = shifted(price_crc, quantity_length) ^ quantity_crc
    return np.int64(crc) | np.int64(price_length + quantity_length) << 32  # type: ignore[return-value]


@inlined
def joined(crc: np.uint32, level: int) -> np.uint32:
    """The register after a level."""
    return np.uint32(shifted(crc, level >> 32) ^ np.uint32(level & 0xFFFFFFFF))
