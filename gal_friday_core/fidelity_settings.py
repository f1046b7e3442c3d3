"""How closely a simulated exchange follows a real one: a section of the configuration, read by backtest, sweep and paper alike.

As it comes, an order fills at once and whole at the constant costs of `costs`. Each setting here takes one such
kindness away.
"""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gal_friday_core.section import Fraction, Section
from gal_friday_core.venue.listings import MAKER_FEES, TAKER_FEES

FeeTier = tuple[Annotated[Decimal, Field(ge=0)], Fraction, Fraction]
"""From this volume of 30 days on: the maker's fee and the taker's, of the traded value."""

KRAKEN_TIERS: tuple[FeeTier, ...] = tuple(
    (Decimal(volume), maker / 100, taker / 100)
    for (volume, maker), (_, taker) in zip(MAKER_FEES, TAKER_FEES, strict=True)
)


class FidelityConfig(Section):
    """What the simulated exchange does not give away."""

    replay: Literal["bars", "trades", "book"] = Field(
        "bars",
        description="What the orders of a backtest meet: bars, or the trades or the book that were recorded then; elsewhere "
        "it is bars",
    )
    fees: Literal["flat", "kraken", "table"] = Field(
        "flat",
        description="flat: costs.taker_fee and costs.maker_fee; kraken: Kraken's, which fall with the volume of 30 days; "
        "table: those of fee_tiers",
    )
    fee_tiers: tuple[FeeTier, ...] = Field(
        (),
        description="Rows [volume from which it holds, maker's fee, taker's fee], ascending from volume 0, for fees: table",
    )
    volume_elsewhere: Decimal = Field(
        Decimal(0),
        ge=0,
        description="What the account trades beside this in any 30 days, in quote currency: it counts for the tier",
    )
    slippage: Literal["fixed", "modelled"] = Field(
        "fixed",
        description="fixed: costs.slippage; modelled: half_spread, and what the order's size moves the price",
    )
    half_spread: Fraction = Field(
        Decimal("0.0002"),
        description="Half of bid to ask, as a fraction of the price; gal-friday costs estimates it",
    )
    impact: float = Field(
        1.0,
        ge=0,
        le=100,
        description="An order as large as all that a bar traded moves the price by so many of the bar's deviations; "
        "smaller ones by the root of their share",
    )
    max_slippage: Fraction = Field(
        Decimal("0.05"),
        description="Modelled slippage is never more; where a bar names no volume, it is this",
    )
    latency_ms: int = Field(
        0, ge=0, le=3_600_000, description="An order reaches the exchange so long after it was sent"
    )
    participation: Annotated[Decimal, Field(gt=0, le=1)] | None = Field(
        None,
        description="Share of a bar's volume that our orders of a pair may take; unset, as much as they want",
    )
    limit_queue: Literal["through", "volume"] = Field(
        "through",
        description="A resting limit fills once the price goes through it; volume: also once what was traded at its "
        "price, by estimate, has used up what stood before it",
    )
    queue_ahead: float = Field(
        1.0,
        ge=0,
        le=1_000,
        description="What stands before a limit order, in what its first bar traded at each price",
    )

    @property
    def plain(self) -> bool:
        """Nothing but the constant costs, at once and whole."""
        return (
            self.fees == "flat" and self.slippage == "fixed" and not self.latency_ms
            and self.participation is None and self.limit_queue == "through"
        )  # fmt: skip

    @property
    def tiers(self) -> tuple[FeeTier, ...]:
        """Those that hold; none where fees are flat."""
        return {"flat": (), "kraken": KRAKEN_TIERS, "table": self.fee_tiers}[self.fees]

    @model_validator(mode="after")
    def _has_a_table(self) -> Self:
        if self.fees != "table":
            return self
        volumes = [volume for volume, _, _ in self.fee_tiers]
        if not volumes or volumes[0] != 0 or volumes != sorted(set(volumes)):
            raise ValueError("fees: table needs fee_tiers that begin at volume 0 and ascend")
        for before, after in zip(self.fee_tiers, self.fee_tiers[1:], strict=False):
            if after[1] > before[1] or after[2] > before[2]:
                raise ValueError("fee_tiers must not get dearer with more volume")
        return self


def tier_of(tiers: tuple[FeeTier, ...], volume: Decimal) -> FeeTier:
    """The tier that a volume of 30 days earns.

    >>> [str(part) for part in tier_of(KRAKEN_TIERS, Decimal(60_000))]
    ['50000', '0.0014', '0.0024']
    """
    return next(tier for tier in reversed(tiers) if volume >= tier[0])


def cheaper_than_paid(fidelity: FidelityConfig, maker_fee: Decimal, taker_fee: Decimal) -> str:
    """Why checks that reckon with these fees would reckon with too little; empty where they do not."""
    if not fidelity.tiers:
        return ""
    _, maker, taker = tier_of(fidelity.tiers, fidelity.volume_elsewhere)
    if taker <= taker_fee and maker <= maker_fee:
        return ""
    return (
        f"fidelity.fees {fidelity.fees} begin at {maker} for makers and {taker} for takers, but costs.maker_fee {maker_fee} "
        f"and costs.taker_fee {taker_fee}, which limits and strategies reckon with, are lower: raise them to that"
    )


def told(fidelity: FidelityConfig) -> dict[str, str]:
    """What holds beyond constant costs, and by which numbers; nothing where nothing does.

    >>> told(FidelityConfig(latency_ms=250))
    {'latency_ms': '250'}
    """
    numbers = {
        "replay": (fidelity.replay != "bars", ("replay",)),
        "fees": (fidelity.fees != "flat", ("fees", "volume_elsewhere")),
        "slippage": (fidelity.slippage != "fixed", ("half_spread", "impact", "max_slippage")),
        "latency_ms": (fidelity.latency_ms > 0, ("latency_ms",)),
        "participation": (fidelity.participation is not None, ("participation",)),
        "limit_queue": (fidelity.limit_queue != "through", ("limit_queue", "queue_ahead")),
    }
    return {
        name: str(getattr(fidelity, name)) for holds, names in numbers.values() if holds for name in names
    }
