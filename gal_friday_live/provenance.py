"""Which model, data, code and configuration stand behind a signal: what every order's intent names."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Protocol

from gal_friday_core.events import Event
from gal_friday_core.payloads import TradeSignalProposed
from gal_friday_live.bus import PubSubManager
from gal_friday_live.model_roster import ActiveModel

REMEMBERED = 1_000
"""Signals; an order leaves within seconds of its own."""

Facts = Mapping[str, str | None]


class ModelConditions(Protocol):
    def model(self, model_id: str) -> ActiveModel: ...


class SignalProvenance:
    """Hears signals being proposed, and answers for each. An exit is told under the model whose entry it ends.

    `code_version` and `config_hash` are those of this run. `keep` is called for each approved signal: whoever
    explains an order must find its signal and prediction in the journal, also where the engine is killed next.
    """

    def __init__(
        self,
        event_bus: PubSubManager,
        *,
        models: ModelConditions,
        code_version: str,
        config_hash: str,
        keep: Callable[[], None] | None = None,
    ) -> None:
        self._bus = event_bus
        self._models = models
        self._keep = keep
        self._run: dict[str, str | None] = {"code_version": code_version, "config_hash": config_hash}
        self._signals: OrderedDict[str, Facts] = OrderedDict()
        self._entries: dict[str, Facts] = {}
        self._of_models: dict[str, Facts] = {}
        self._subscriptions: list[str] = []

    async def start(self) -> None:
        self._subscriptions = [self._bus.subscribe("TRADE_SIGNAL_PROPOSED", self._on_proposed)]
        if self._keep is not None:
            self._subscriptions.append(self._bus.subscribe("TRADE_SIGNAL_APPROVED", self._on_approved))

    async def stop(self) -> None:
        for subscription in self._subscriptions:
            self._bus.unsubscribe(subscription)

    def configured(self, config_hash: str) -> None:
        """The configuration changed: orders from now on name this one."""
        self._run["config_hash"] = config_hash
        self._of_models.clear()

    def of(self, signal_id: str) -> Facts:
        """What is known of it; of a signal of an earlier run, only what this run is."""
        return self._signals.get(signal_id, self._run)

    def _on_proposed(self, event: Event) -> None:
        signal = event.payload
        assert isinstance(signal, TradeSignalProposed)
        cause = signal.triggering_prediction
        facts = self._entries.get(signal.trading_pair, self._run)
        if cause is not None:
            facts = self._of_models.get(cause.model_id) or self._of_model(cause.model_id)
            self._entries[signal.trading_pair] = facts
        self._signals[signal.signal_id] = facts
        if len(self._signals) > REMEMBERED:
            self._signals.popitem(last=False)

    def _on_approved(self, event: Event) -> None:
        if self._keep is not None and not event.replayed:
            self._keep()

    def _of_model(self, model_id: str) -> Facts:
        predictor = self._models.model(model_id).predictor
        facts = self._of_models[model_id] = {
            **self._run,
            "model_id": model_id,
            "artifact_sha256": predictor.artifact_sha256,
            "data_version": predictor.data_version,
            "feature_schema_hash": predictor.schema_hash,
        }
        return facts
