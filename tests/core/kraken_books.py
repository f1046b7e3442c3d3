"""A plain order book to compare with, and real and made-up book messages for it."""

import json
import zlib
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

PAIR = "BTC/USD"
Levels = list[tuple[int, int]]
"""(price, quantity) in units of the pair's decimals."""


@dataclass
class PlainBook:
    """Kraken's rules in a few lines of dictionaries and strings."""

    depth: int
    bids: dict[int, int] = field(default_factory=dict)
    asks: dict[int, int] = field(default_factory=dict)

    def apply(self, bids: Levels, asks: Levels, *, snapshot: bool) -> int:
        if snapshot:
            self.bids, self.asks = {}, {}
        for side, levels in ((self.bids, bids), (self.asks, asks)):
            for price, quantity in levels:
                side.pop(price, None)
                if quantity:
                    side[price] = quantity
        self.bids = dict(sorted(self.bids.items(), reverse=True)[: self.depth])
        self.asks = dict(sorted(self.asks.items())[: self.depth])
        return self.checksum()

    def checksum(self) -> int:
        best = [*list(self.asks.items())[:10], *list(self.bids.items())[:10]]
        return zlib.crc32("".join(f"{price}{quantity}" for price, quantity in best).encode())


def number(units: int, decimals: int) -> str:
    """Units as a JSON number with all its decimals."""
    return f"{Decimal(units).scaleb(-decimals):f}"


def text(
    kind: str, bids: Levels, asks: Levels, checksum: int, *, decimals: tuple[int, int] = (1, 8)
) -> bytes:
    """The message as Kraken writes it."""
    sides = [
        ",".join(
            f'{{"price":{number(price, decimals[0])},"qty":{number(quantity, decimals[1])}}}'
            for price, quantity in levels
        )
        for levels in (bids, asks)
    ]
    return (
        f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{PAIR}","bids":[{sides[0]}],"asks":[{sides[1]}],'
        f'"checksum":{checksum},"timestamp":"2023-07-30T15:30:01.789020Z"}}]}}'
    ).encode()


def captured(shared_data: Path) -> list[bytes]:
    """The real v2 capture, snapshot first; re-serialised by its author, so trailing zeros are gone."""
    document = json.loads((shared_data / "kraken_ws/v2/book10_BTCUSD_capture_first50.json").read_text())
    return [json.dumps(message).encode() for message in [document["init"], *document["updates"]]]


def level(highest: int) -> st.SearchStrategy[tuple[int, int]]:
    """Few prices, so that levels meet; a third of the quantities delete."""
    return st.tuples(
        st.integers(1, highest), st.one_of(st.just(0), st.integers(1, 30), st.integers(1, 10**17))
    )


def message(highest: int, most: int) -> st.SearchStrategy[tuple[bool, Levels, Levels]]:
    """(snapshot, bids, asks) in any order, prices repeated or not; now and then a snapshot."""
    levels = st.lists(level(highest), max_size=most)
    return st.tuples(st.integers(0, 9).map(lambda dice: dice == 0), levels, levels)


def respelt(raw: bytes) -> st.SearchStrategy[bytes]:
    """The same message with other spacing and key order, as another serialiser would write it."""

    def shuffled(value: Any, draw: Any) -> Any:
        if isinstance(value, dict):
            keys = draw(st.permutations(list(value)))
            return {key: shuffled(value[key], draw) for key in keys}
        return [shuffled(item, draw) for item in value] if isinstance(value, list) else value

    @st.composite
    def spelt(draw: st.DrawFn) -> bytes:
        document = shuffled(json.loads(raw), draw)
        document |= draw(
            st.sampled_from([{}, {"x": None}, {"more": {"a": [1, '}]\\"', -2.5e3, {}], "": True}}])
        )
        separators = draw(st.sampled_from([(",", ":"), (", ", ": "), ("\n,", "\t: ")]))
        return json.dumps(document, separators=separators, indent=draw(st.sampled_from([None, 1]))).encode()

    return spelt()


@st.composite
def mutated(draw: st.DrawFn, raws: list[bytes]) -> bytes:
    """A real message with bytes cut, doubled, changed or put in, or torn off."""
    raw = bytearray(draw(st.sampled_from(raws)))
    for _ in range(draw(st.integers(1, 4))):
        at, to = sorted((draw(st.integers(0, len(raw))), draw(st.integers(0, len(raw)))))
        to = min(to, at + draw(st.integers(0, 12)))
        piece = draw(
            st.one_of(
                st.binary(max_size=3),
                st.sampled_from(
                    [
                        b"NaN", b"-1", b"1e999", b"1E-30", b"null", b"0", b".", b"}", b"]", b'"', b"\\", b"[[[[",
                        b"99999999999999999999", b'{"', b'"price":', b"<html>", b"\x00", b"\xff",
                    ]
                ),
            )
        )  # fmt: skip
        action = draw(st.sampled_from(["cut", "put", "change", "double", "tear"]))
        if action == "cut":
            del raw[at:to]
        elif action == "put":
            raw[at:at] = piece
        elif action == "change":
            raw[at:to] = piece
        elif action == "double":
            raw[at:at] = raw[at:to]
        else:
            del raw[at:]
    return bytes(raw)
