"""What travels with a plan besides the proposal: where it came from, and how the model behind it stands."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final, Literal, Protocol

import msgspec

from gal_friday_core.drift.ladder import Restriction
from gal_friday_core.errors import ContractError, RegistryError
from gal_friday_core.payloads import TradeSignalProposed
from gal_friday_live.intents import PROVENANCE
from gal_friday_live.model_roster import ActiveModel

REMEMBERED: Final = 10_000
"""Signals; protection that outlives its entry names the entry's."""
STANDING: Final = "standing"
"""The key under which it stands beside the provenance."""

Facts = Mapping[str, str | None]
Stage = Literal["production", "staging", "development"]
STAGES: Final[Mapping[str, Stage]] = {"production": "production", "staging": "staging"}
"""Whatever else a registry says is no stage to trade in."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Of a model, all that the risk check asks. `override` is the reason of who let a refused one trade paper money."""

    stage: Stage
    shadow: bool = False
    trial: bool = False
    override: str | None = None
    restriction: Restriction | None = None


class Models(Protocol):
    def model(self, model_id: str) -> ActiveModel: ...

    def restriction(self, model_id: str) -> Restriction | None: ...


def lineage_of(signal: TradeSignalProposed, facts: Facts, models: Models) -> dict[str, Any]:
    """For the plan: provenance by name, and the model's standing where one predicted."""
    told: dict[str, Any] = dict(facts)
    if signal.triggering_prediction is not None:
        model_id = signal.triggering_prediction.model_id
        found = models.model(model_id)
        standing = Standing(
            stage=STAGES.get(found.stage, "development"),
            shadow=found.shadow, trial=found.trial,
            override=None if found.override is None else found.override.reason,
            restriction=models.restriction(model_id),
        )  # fmt: skip
        told[STANDING] = msgspec.to_builtins(standing)
    return told


class Registry(Protocol):
    async def get_model_metadata(self, model_id: str) -> dict[str, Any]:
        """Among other things its `stage`. Raises RegistryError for a model that is not there."""
        ...


class PlannedModels:
    """The models behind plans, each as its newest plan told.

    With a `registry` money is real: then it, and not the plan, says in which stage a model is, and no override counts.
    """

    def __init__(self, registry: Registry | None) -> None:
        self._registry = registry
        self._standings: dict[str, Standing] = {}

    async def take(self, signal: TradeSignalProposed, lineage: Mapping[str, Any] | None) -> None:
        """Raises ContractError for a plan whose model's standing cannot be read, StorageError where nobody can be asked."""
        told = (lineage or {}).get(STANDING)
        if signal.triggering_prediction is None or told is None:
            return
        try:
            standing = msgspec.convert(told, Standing)
        except msgspec.ValidationError as error:
            raise ContractError(f"the standing of the plan's model cannot be read: {error}") from None
        model_id = signal.triggering_prediction.model_id
        self._standings[model_id] = await self._verified(model_id, standing)

    async def _verified(self, model_id: str, told: Standing) -> Standing:
        if self._registry is None:
            return told
        try:
            stage = str((await self._registry.get_model_metadata(model_id))["stage"])
        except RegistryError:
            stage = "development"
        staged = stage == "staging"
        return msgspec.structs.replace(
            told,
            stage=STAGES.get(stage, "development"),
            shadow=staged,
            trial=told.trial and staged,
            override=None,
        )

    def model(self, model_id: str) -> Standing:
        """Raises KeyError for one that no plan has named."""
        return self._standings[model_id]

    def restriction(self, model_id: str) -> Restriction | None:
        return self._standings[model_id].restriction


class PlannedProvenance:
    """Answers for signals by what their plans told."""

    def __init__(self) -> None:
        self._facts: OrderedDict[str, Facts] = OrderedDict()

    def take(self, signal_id: str, lineage: Mapping[str, Any] | None) -> None:
        self._facts[signal_id] = {name: (lineage or {}).get(name) for name in PROVENANCE}
        if len(self._facts) > REMEMBERED:
            self._facts.popitem(last=False)

    def of(self, signal_id: str) -> Facts:
        return self._facts.get(signal_id, {})
