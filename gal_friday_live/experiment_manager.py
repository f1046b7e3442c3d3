"""Experiments between models: created, run, looked at as often as one likes, and never acted on by themselves.

(001 §2.14, 000 §4.3.) The design is settled before the first outcome; what may be concluded is decided in
`gal_friday_core.experiments`. A guard rail stops a losing variant; a winner is recommended, and goes through its
certificate like every model.
"""

import secrets
import uuid
from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from typing import Any, Final

import msgspec

from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.live_records import LiveRecords
from gal_friday_adapters.paths import lake_dir
from gal_friday_adapters.postgres.database import DatabaseManager
from gal_friday_adapters.postgres.experiments import ExperimentRepository, Step, Stored
from gal_friday_core.candles import Series
from gal_friday_core.errors import ConfigError, DataError, RegistryError
from gal_friday_core.experiments.analysis import Analysis, analyse, rule_of, settled
from gal_friday_core.experiments.blocks import SHORTEST, block_length, block_means
from gal_friday_core.experiments.design import Design, design_of
from gal_friday_core.experiments.guard_rails import Alarm
from gal_friday_core.experiments.outcomes import Outcomes
from gal_friday_core.experiments.power import Plan, plan
from gal_friday_core.experiments.sequence import FIRST
from gal_friday_core.ports import Clock
from gal_friday_core.times import DAY_NS, from_iso
from gal_friday_live import experiment_record as record
from gal_friday_live.bus import PubSubManager
from gal_friday_live.clock import SystemClock
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.experiment_observer import ExperimentObserver
from gal_friday_live.experiment_traffic import (
    ExperimentTraffic,
    payload_of,
    running_of,
    shares_of,
    unit_ns,
)
from gal_friday_live.model_registry import ModelRegistry

PILOT_DAYS = 30
"""Predictions of so long before the start tell how outcomes spread and how long they remember."""
SHORTEST_BLOCK: Final = {"bar": SHORTEST, "hour": 10, "day": 1}
TRADES_A_BLOCK = 5
ENGINE = "experiments"
"""Who acts where no person does."""


class ExperimentManager:
    """`bus` is told of each change this object makes. Methods take an experiment's id or its name."""

    def __init__(
        self,
        config: ConfigurationManager,
        database: DatabaseManager,
        *,
        registry: ModelRegistry | None = None,
        lake: CandleLake | None = None,
        bus: PubSubManager | None = None,
        clock: Clock | None = None,
        traffic: ExperimentTraffic | None = None,
    ) -> None:
        self._registry = registry or ModelRegistry(config, database)
        self._experiments = ExperimentRepository(database)
        self._clock = clock or SystemClock()
        self._bus = bus
        self._traffic = traffic
        self._observer = ExperimentObserver(
            config.config, self._experiments, self._registry, lake or CandleLake(lake_dir(config.config)),
            LiveRecords(database),
        )  # fmt: skip

    async def create_experiment(self, experiment_config: Mapping[str, Any], *, actor: str = ENGINE) -> str:
        """The id of a new experiment, which does nothing before `start_experiment`.

        `experiment_config`: the fields of `Design`. Raises ConfigError, RegistryError; then none was created.
        """
        design = design_of(dict(experiment_config))
        for variant in design.variants:
            model = await self._registry.get_model_metadata(variant.model_id)
            trained = model["metadata"].get("series", model["model_type"])
            if trained != design.series:
                raise ConfigError(
                    f"experiment {design.name}: {variant.model_id} was trained for {trained}, not for {design.series}"
                )
        experiment_id = str(uuid.uuid4())
        await self._experiments.add(experiment_id, design, secrets.token_hex(16), actor)
        await self._tell(await self._experiments.named(experiment_id), "CREATED")
        return experiment_id

    async def start_experiment(
        self, experiment_id: str, *, actor: str = ENGINE, reason: str = "started"
    ) -> dict[str, Any]:
        """Settle the block length, and begin. What is to be expected, as far as earlier predictions tell.

        Raises RegistryError where a variant is not in a stage in which it predicts.
        """
        stored = await self._experiments.named(experiment_id)
        await self._require_served(stored.design)
        pilot = await self._pilot(stored)
        block = stored.design.block or block_length(pilot, at_least=await self._shortest(stored))
        design = settled(stored.design, block)
        expected = _expected(design, pilot, unit_ns(stored))
        details = {
            "block": block,
            "pilot_units": len(pilot),
            "plan": None if expected is None else msgspec.to_builtins(expected),
        }
        step = Step(action="STARTED", state="RUNNING", actor=actor, reason=reason, details=details)
        await self._step(stored, step)
        return {"experiment_id": stored.experiment_id, "name": stored.name, **details}

    async def stop_experiment(
        self, experiment_id: str, *, actor: str = ENGINE, reason: str = "stopped"
    ) -> None:
        """End it for good; traffic goes back to production at once."""
        stored = await self._experiments.named(experiment_id)
        await self._step(stored, Step(action="STOPPED", state="STOPPED", actor=actor, reason=reason))

    async def assign_traffic(
        self, experiment_id: str, model_variants: Sequence[str], *, actor: str = ENGINE
    ) -> dict[str, Any]:
        """Let only these variants be served from now on, in the proportions that the design or what was learnt gives.

        The traffic as it is then. A shadow experiment leaves all of it to its control. Raises ConfigError for a
        variant that there is not or that was stopped, or where the control is left out, since everything is compared
        with it; RegistryError where the experiment does not run.
        """
        stored = await self._experiments.named(experiment_id)
        if stored.state != "RUNNING":
            raise RegistryError(f"experiment {stored.name} is {stored.state}: it has no traffic")
        wanted = sorted({stored.design.index(name) for name in model_variants})
        if not wanted or wanted[0] != 0 or len(wanted) < 2:
            raise ConfigError(
                f"experiment {stored.name}: the control {stored.design.control.name} and a challenger are served; "
                "to end it, stop it"
            )
        stopped = _stopped(await self._experiments.events(stored.experiment_id)) & set(model_variants)
        if stopped:
            raise ConfigError(
                f"experiment {stored.name}: {', '.join(sorted(stopped))} was stopped: a new experiment may try it again"
            )
        if stored.mode == "split":
            await self._share(stored, wanted, actor)
        events = await self._experiments.events(stored.experiment_id)
        return record.traffic(stored, shares_of(stored, events))

    async def assign_variant(self, user_context: Mapping[str, Any]) -> str:
        """The variant that serves a decision: `experiment_id`, `pair` and `timestamp` (ns or ISO 8601).

        The same context always gives the same variant while the shares stay. Raises ConfigError for a context
        without these, RegistryError where the experiment does not run.
        """
        try:
            named, pair, moment = (user_context[name] for name in ("experiment_id", "pair", "timestamp"))
        except KeyError as error:
            raise ConfigError(
                f"assign_variant needs experiment_id, pair and timestamp; {error} is missing"
            ) from None
        stored = await self._experiments.named(str(named))
        if stored.state != "RUNNING":
            raise RegistryError(f"experiment {stored.name} is {stored.state}: it assigns nothing")
        if stored.mode == "shadow":
            return stored.design.control.name
        events = await self._experiments.events(stored.experiment_id)
        return running_of(stored, events).assigned(str(pair), _moment(moment)).variant

    async def record_outcome(self, experiment_id: str, variant: str, outcome: Mapping[str, Any]) -> None:
        """Keep what a variant brought: `unit`, `value` in the design's metric, `timestamp` (ns or ISO 8601).

        Telling it again changes nothing. Raises DataError where it is no finite number, ConfigError for a variant
        that there is not, RegistryError where the experiment does not run.
        """
        stored = await self._experiments.named(experiment_id)
        name = stored.design.variants[stored.design.index(variant)].name
        if stored.state != "RUNNING":
            raise RegistryError(f"experiment {stored.name} is {stored.state}: it takes no outcomes")
        told = record.outcome(stored.name, name, outcome, _moment)
        if await self._experiments.record(stored.experiment_id, [told]):
            await self._tell(stored, "RESULT_RECORDED", result=msgspec.to_builtins(told))

    async def collect(self, experiment_id: str) -> int:
        """Take in every outcome that has become known since the start; how many are new."""
        stored, started_ns, _ = await self._known(experiment_id)
        if started_ns is None or stored.state != "RUNNING":
            return 0
        assignments, outcomes = await self._observer.observe(stored, started_ns, self._clock.now_ns())
        await self._experiments.assign(stored.experiment_id, assignments)
        return await self._experiments.record(stored.experiment_id, outcomes)

    async def analyze_experiment(self, experiment_id: str) -> dict[str, Any]:
        """Each challenger against the control, what is wrong, and what to do; JSON-able. Looking changes nothing."""
        stored, analysis, _ = await self._analysed(experiment_id)
        return await self._told(stored, analysis)

    async def review(self, experiment_id: str) -> dict[str, Any]:
        """Collect, analyse, and do what follows by itself: stop losing variants and those that left their stage, move
        traffic, end what is decided.
        """
        await self.collect(experiment_id)
        stored, analysis, outcomes = await self._analysed(experiment_id)
        if stored.state == "RUNNING":
            absent = await self._absent(stored.design, await self._served_now(stored))
            analysis = msgspec.structs.replace(analysis, alarms=(*absent, *analysis.alarms))
            await self._act(stored, analysis, outcomes)
        stored = await self._experiments.named(stored.experiment_id)
        return await self._told(stored, analysis)

    async def _told(self, stored: Stored, analysis: Analysis) -> dict[str, Any]:
        """With what became of each variant's signals since the start."""
        started_ns = (await self._known(stored.experiment_id))[1]
        now_ns = self._clock.now_ns()
        since_ns = now_ns if started_ns is None else started_ns
        answers = await self._observer.answers(stored.design, since_ns, now_ns)
        return record.analysis(stored, analysis) | {"answers": answers}

    async def check_significance(self, experiment_id: str) -> dict[str, Any]:
        """By challenger: difference, interval, p-value, verdict; valid whenever and however often it is asked."""
        found = await self.analyze_experiment(experiment_id)
        return {
            "experiment_id": found["experiment_id"],
            "alpha": found["design"]["alpha"],
            "significant": any(one["verdict"] in {"BETTER", "WORSE"} for one in found["comparisons"]),
            "winner": found["winner"],
            "comparisons": found["comparisons"],
        }

    async def get_winning_variant(self, experiment_id: str) -> str | None:
        """The variant that is proven best; None while nothing is proven, or where traffic was lost."""
        return (await self._analysed(experiment_id))[1].winner

    async def get_active_experiments(self) -> list[dict[str, Any]]:
        """Those that run now."""
        return await self.list_experiments("RUNNING")

    async def list_experiments(self, state: str | None = None) -> list[dict[str, Any]]:
        """Every experiment in the order of its creation, or those in one state."""
        found = await self._experiments.all()
        return [record.summary(stored) for stored in found if state in (None, stored.state)]

    async def get_experiment(self, experiment_id: str) -> dict[str, Any]:
        """Design, state, traffic, and everything that was decided; JSON-able."""
        stored = await self._experiments.named(experiment_id)
        events = await self._experiments.events(stored.experiment_id)
        return record.described(stored, events, shares_of(stored, events))

    async def observed(self, experiment_id: str) -> tuple[Design, Outcomes]:
        """What was recorded so far, and the design as it was settled: for curves."""
        stored, _, design = await self._known(experiment_id)
        return design, await self._outcomes(stored, design)

    async def _known(self, experiment_id: str) -> tuple[Stored, int | None, Design]:
        """The experiment, when it began, and its design with the block length that was settled then."""
        stored = await self._experiments.named(experiment_id)
        events = await self._experiments.events(stored.experiment_id)
        started = next((event for event in events if event["action"] == "STARTED"), None)
        if started is None:
            return stored, None, settled(stored.design, SHORTEST_BLOCK[stored.design.unit])
        design = settled(stored.design, started["details"]["block"])
        return stored, record.nanoseconds(started["at"]), design

    async def _analysed(self, experiment_id: str) -> tuple[Stored, Analysis, Outcomes]:
        stored, started_ns, design = await self._known(experiment_id)
        outcomes = await self._outcomes(stored, design)
        running_ns = 0 if started_ns is None else self._clock.now_ns() - started_ns
        rate = DAY_NS / unit_ns(stored)
        return stored, analyse(design, outcomes, running_ns=running_ns, units_per_day=rate), outcomes

    async def _outcomes(self, stored: Stored, design: Design) -> Outcomes:
        outcomes = await self._experiments.outcomes(stored.experiment_id)
        if stored.mode == "shadow":
            return record.paired(design, outcomes)
        return record.served(design, outcomes, await self._experiments.assignments(stored.experiment_id))

    async def _require_served(self, design: Design) -> None:
        absent = await self._absent(design, range(len(design.variants)))
        if absent:
            raise RegistryError(f"experiment {design.name}: {absent[0].text}")

    async def _absent(self, design: Design, places: Iterable[int]) -> list[Alarm]:
        """Whoever does not predict can only lose. Production serves the control of split traffic."""
        found = []
        for place in places:
            variant = design.variants[place]
            stage = (await self._registry.get_model_metadata(variant.model_id))["stage"]
            allowed = ("production",) if design.mode == "split" and place == 0 else ("production", "staging")
            if stage not in allowed:
                text = (
                    f"{variant.model_id} is in {stage}; {variant.name} must be in {' or '.join(allowed)} to be served: "
                    f"`gal-friday models promote {variant.model_id} --stage {allowed[-1]}`"
                )
                found.append(Alarm(code="NOT_SERVED", variant=variant.name, text=text))
        return found

    async def _pilot(self, stored: Stored) -> record.Values:
        """Differences of recorded predictions before the start; none where nothing was recorded."""
        now = self._clock.now_ns()
        try:
            found = await self._observer.pairs(stored.design, now - PILOT_DAYS * DAY_NS, now)
        except DataError:
            return record.NOTHING
        return found.difference(1) if stored.mode == "shadow" else record.NOTHING

    async def _shortest(self, stored: Stored) -> int:
        """A block holds several trades from end to end, since each reaches over as many bars as it is held."""
        held = [
            (await self._registry.by_id(variant.model_id)).barriers.horizon_bars
            for variant in stored.design.variants
        ]
        bars_a_unit = unit_ns(stored) / Series.parse(stored.series).interval_ns
        return max(SHORTEST_BLOCK[stored.design.unit], ceil(TRADES_A_BLOCK * max(held) / bars_a_unit))

    async def _step(self, stored: Stored, step: Step) -> None:
        await self._experiments.step(stored, step)
        if self._traffic is not None:
            await self._traffic.refresh()
        await self._tell(stored, step.action)

    async def _act(self, stored: Stored, analysis: Analysis, outcomes: Outcomes) -> None:
        stopped = [alarm for alarm in analysis.alarms if alarm.stops]
        if analysis.over:
            step = Step(
                action="COMPLETED", state="COMPLETED", actor=ENGINE, reason=analysis.recommendation,
                details={"winner": analysis.winner, "analysis": msgspec.to_builtins(analysis)},
            )  # fmt: skip
            await self._step(stored, step)
        elif stopped:
            await self._stop_variants(stored, stopped)
        elif stored.design.allocation == "thompson":
            await self._share(stored, await self._served_now(stored), ENGINE, outcomes)

    async def _stop_variants(self, stored: Stored, stopped: list[Alarm]) -> None:
        """Take them out of the traffic; without a challenger, or the control, the experiment ends."""
        design, served = stored.design, await self._served_now(stored)
        losing = {design.index(alarm.variant) for alarm in stopped if alarm.variant} & {*served}
        rest = [place for place in served if place not in losing]
        reason = "; ".join(alarm.text for alarm in stopped)
        if 0 not in rest or len(rest) < 2 or any(alarm.variant is None for alarm in stopped):
            await self._step(stored, Step(action="STOPPED", state="STOPPED", actor=ENGINE, reason=reason))
            return
        for place in sorted(losing):
            name = design.variants[place].name
            why = next(alarm.text for alarm in stopped if alarm.variant == name)
            details = {"shares": record.shares(design, rest)}
            await self._step(
                stored,
                Step(
                    action="VARIANT_STOPPED",
                    state="RUNNING",
                    variant=name,
                    actor=ENGINE,
                    reason=why,
                    details=details,
                ),
            )

    async def _served_now(self, stored: Stored) -> list[int]:
        """Places of those that were neither stopped nor left out by name."""
        events = await self._experiments.events(stored.experiment_id)
        out = _stopped(events)
        if stored.mode == "split":
            out |= {name for name, share in shares_of(stored, events).items() if not share}
        return [place for place, variant in enumerate(stored.design.variants) if variant.name not in out]

    async def _share(
        self, stored: Stored, places: Sequence[int], actor: str, outcomes: Outcomes | None = None
    ) -> None:
        """Write new shares, where they are others than now."""
        if outcomes is None and stored.design.allocation == "thompson":
            outcomes = (await self._analysed(stored.experiment_id))[2]
        shares = record.shares(stored.design, places, outcomes)
        events = await self._experiments.events(stored.experiment_id)
        now = shares_of(stored, events)
        if all(abs(shares[name] - share) < record.SAME for name, share in now.items()):
            return
        step = Step(
            action="TRAFFIC_ASSIGNED", state="RUNNING", actor=actor, details={"shares": shares},
            reason="by what was learnt" if stored.design.allocation == "thompson" else "as the design shares it",
        )  # fmt: skip
        await self._step(stored, step)

    async def _tell(self, stored: Stored, action: str, result: dict[str, Any] | None = None) -> None:
        if self._bus is None:
            return
        events = await self._experiments.events(stored.experiment_id)
        payload = msgspec.structs.replace(payload_of(stored, events, action), result=result)
        await self._bus.publish("EXPERIMENT", payload, source="ExperimentManager")


def _stopped(events: Sequence[Mapping[str, Any]]) -> set[str]:
    """The variants that a guard rail took out."""
    return {event["variant"] for event in events if event["action"] == "VARIANT_STOPPED"}


def _expected(design: Design, pilot: record.Values, unit: int) -> Plan | None:
    means = block_means(pilot, design.block or 1)
    if len(means) < FIRST or not means.std():
        return None
    return plan(
        sd=float(means.std(ddof=1)), block=design.block or 1, alpha=rule_of(design).alpha, power=design.power,
        effect=design.effect, most_units=design.most_units, units_per_day=DAY_NS / unit,
    )  # fmt: skip


def _moment(value: Any) -> int:
    return value if isinstance(value, int) else from_iso(str(value))
