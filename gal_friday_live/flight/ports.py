"""An engine's ports on an island. Each is the same whether the world stands behind it or a record: `None` is a record's."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from gal_friday_adapters.halt_page import HaltPage
from gal_friday_adapters.kraken.connection import PicowsTransport
from gal_friday_adapters.kraken.rest_calls import Outcome, RestCalls
from gal_friday_core.candles import Candles, Series
from gal_friday_core.drift.ladder import Restriction
from gal_friday_core.errors import StorageError
from gal_friday_core.features.drivers import REACH
from gal_friday_core.journal import JournalEntry, JournalLine
from gal_friday_core.ports import Clock, Connection, Listener, Transport
from gal_friday_core.predictor import Predictor
from gal_friday_live.flight.outside import Outside
from gal_friday_live.flight.recorder import Recorder
from gal_friday_live.flight.values import CANDLES, ENTRIES, LINES, NEVER, OUTCOME, PLAIN, RESTRICTIONS, Form
from gal_friday_live.historical_data_service import HistoricalDataService
from gal_friday_live.inference_pool import InferencePool
from gal_friday_live.journal_writer import SessionJournal
from gal_friday_live.model_registry import ModelRegistry
from gal_friday_live.probes import LoopLag, Probe

T = TypeVar("T")
TOKEN = "GetWebSocketsToken"  # noqa: S105 - the name of a call


class OutsideClock:
    """The clock that decides."""

    def __init__(self, outside: Outside, clock: Clock) -> None:
        self._outside = outside
        self.shown = clock

    def now_ns(self) -> int:
        return self._outside.reading("clock", self.shown.now_ns)


def beside(clock: Clock) -> Clock:
    """The clock for whoever is not on the island: what they read is not the engine's reading."""
    return clock.shown if isinstance(clock, OutsideClock) else clock


class OutsideJournal:
    """The journal: what is written is said, what is read is heard."""

    def __init__(self, outside: Outside, journal: SessionJournal | None, session_id: str) -> None:
        self.session_id = session_id
        self._outside = outside
        self._journal = journal

    async def append(self, kind: str, key: str, ts_ns: int, record: Mapping[str, Any]) -> None:
        asked = {"kind": kind, "key": key, "ts_ns": ts_ns, "record": record}
        await self._outside.ask(
            f"journal {kind}", asked, lambda: self._real.append(kind, key, ts_ns, record), PLAIN
        )

    def note(self, kind: str, key: str, ts_ns: int, record: Mapping[str, Any]) -> None:
        self._outside.tell(f"note {kind}", {"kind": kind, "key": key, "ts_ns": ts_ns, "record": record})
        self._outside.beside(lambda: self._real.note(kind, key, ts_ns, record))

    async def flush(self) -> None:
        await self._outside.ask("journal flush", None, self._flush, PLAIN)

    async def read(self, session: str | None = None, kind: str | None = None) -> AsyncIterator[JournalEntry]:
        """As many as there are now."""

        async def all_of_them() -> list[JournalEntry]:
            return [entry async for entry in self._real.read(session, kind)]

        for entry in await self._outside.ask("journal read", [session, kind], all_of_them, ENTRIES):
            yield entry

    async def lines(self, kinds: Sequence[str], after: int = 0) -> AsyncGenerator[JournalLine, None]:
        async def all_of_them() -> list[JournalLine]:
            async with aclosing(self._real.lines(kinds, after)) as lines:
                return [line async for line in lines]

        asked = [list(kinds), after]
        for line in await self._outside.ask("journal lines", asked, all_of_them, LINES):
            yield line

    async def between(self, start_ns: int, end_ns: int) -> AsyncGenerator[JournalEntry, None]:
        async def all_of_them() -> list[JournalEntry]:
            async with aclosing(self._real.between(start_ns, end_ns)) as entries:
                return [entry async for entry in entries]

        for entry in await self._outside.ask("journal between", [start_ns, end_ns], all_of_them, ENTRIES):
            yield entry

    async def _flush(self) -> None:
        await self._real.flush()

    @property
    def _real(self) -> SessionJournal:
        assert self._journal is not None, "a record answers by itself"
        return self._journal


Served = tuple[Predictor, Mapping[str, bytes]]


def _write_served(served: Served | None) -> Any:
    if served is None:
        return None
    model, files = served
    return {
        "model_id": model.model_id, "model_type": model.model_type, "version": model.version,
        "files": {name: msgspec.to_builtins(content) for name, content in files.items()},
    }  # fmt: skip


def _read_served(raw: Mapping[str, Any] | None) -> Served | None:
    if raw is None:
        return None
    files = msgspec.convert(raw["files"], dict[str, bytes])
    return Predictor.from_files(
        files, **{key: raw[key] for key in ("model_id", "model_type", "version")}
    ), files


SERVED = Form(_write_served, _read_served)


class OutsideModels:
    """The registry. A model's files are part of the record, so that the same model predicts again."""

    def __init__(self, outside: Outside, models: ModelRegistry | None) -> None:
        self._outside = outside
        self._models = models
        self._hints: AsyncIterator[str] | None = None

    async def production(self, model_type: str) -> Predictor | None:
        async def find() -> Served | None:
            found = await self._real.production(model_type)
            return None if found is None else await self._with_files(found)

        served = await self._outside.ask("models production", model_type, find, SERVED)
        return None if served is None else served[0]

    async def types(self, series: str) -> Sequence[str]:
        return await self._outside.ask("models types", series, lambda: self._real.types(series), PLAIN)

    async def shadows(self, model_type: str) -> Sequence[str]:
        return await self._outside.ask(
            "models shadows", model_type, lambda: self._real.shadows(model_type), PLAIN
        )

    async def by_id(self, model_id: str) -> Predictor:
        async def find() -> Served:
            return await self._with_files(await self._real.by_id(model_id))

        return (await self._outside.ask("models by id", model_id, find, SERVED))[0]

    async def restrictions(self, model_id: str) -> Sequence[Restriction]:
        return await self._outside.ask(
            "models restrictions", model_id, lambda: self._real.restrictions(model_id), RESTRICTIONS
        )

    async def promotions(self) -> AsyncIterator[str]:
        while True:
            yield await self._outside.ask("models promotions", None, self._next_hint, PLAIN)

    async def _next_hint(self) -> str:
        if self._hints is None:
            self._hints = aiter(self._real.promotions())
        return await anext(self._hints)

    async def _with_files(self, model: Predictor) -> Served:
        return model, (await self._real.get_model(model.model_id, stage=None)).files

    @property
    def _real(self) -> ModelRegistry:
        assert self._models is not None, "a record answers by itself"
        return self._models


class OutsideHistory(HistoricalDataService):
    """Bars of the past, whoever has them."""

    def __init__(self, outside: Outside, service: HistoricalDataService) -> None:
        self._outside = outside
        self._service = service

    async def start(self) -> None:
        await self._outside.ask("history start", None, self._service.start, NEVER)

    async def stop(self) -> None:
        await self._outside.ask("history stop", None, self._service.stop, NEVER)

    async def history(self, series: Series, bars: int = REACH) -> Candles:
        asked = [series.key, bars]
        return await self._outside.ask("history", asked, lambda: self._service.history(series, bars), CANDLES)

    async def between(self, series: Series, start_ns: int, end_ns: int) -> Candles:
        asked = [series.key, start_ns, end_ns]
        return await self._outside.ask(
            "history between", asked, lambda: self._service.between(series, start_ns, end_ns), CANDLES
        )


class OutsideCalls(RestCalls):
    """Kraken's REST: whole requests without their signature, and their outcomes."""

    def __init__(self, outside: Outside, url: str, *, timeout_s: float) -> None:
        super().__init__(url, timeout_s=timeout_s)
        self._outside = outside

    async def _ask(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> Outcome:
        async def work() -> Outcome:
            outcome = await self._exchange(method, target, body, headers)
            if target.endswith(TOKEN) and isinstance(outcome, msgspec.Raw):
                self._outside.hide(msgspec.json.decode(outcome)["token"])
            return outcome

        asked = {"method": method, "target": target, "body": body.decode()}
        return await self._outside.ask("REST", asked, work, OUTCOME)

    async def _exchange(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> Outcome:
        return await super()._ask(method, target, body, headers)

    async def close(self) -> None:
        await self._outside.ask("REST close", None, super().close, NEVER)


class OutsideTransport:
    """Lines to the exchange: `public` ones tell of the market, others of the account."""

    def __init__(self, outside: Outside, *, public: bool, transport: Transport | None = None) -> None:
        self._outside = outside
        self._public = public
        self._transport = transport or PicowsTransport()

    async def connect(self, url: str, listener: Listener) -> Connection:
        outside = self._outside
        line = _Line(outside, outside.line(listener, public=self._public))

        async def open_it() -> None:
            assert isinstance(outside, Recorder)
            if self._public:
                outside.connecting(line.number, url)
            line.connection = await self._transport.connect(url, _Ear(outside, line.number, listener))

        await outside.ask("connect", {"url": url, "line": line.number}, open_it, NEVER)
        return line


class _Line:
    """The engine's end of a line."""

    def __init__(self, outside: Outside, number: int) -> None:
        self.number = number
        self.connection: Connection | None = None
        self._outside = outside

    def send(self, message: bytes) -> None:
        self._outside.sent(self.number, message)
        if self.connection is not None:
            self.connection.send(message)

    def close(self) -> None:
        self._outside.tell("close", self.number)
        if self.connection is not None:
            self.connection.close()


class _Ear:
    """The other end: what the exchange says is let in."""

    def __init__(self, recorder: Recorder, number: int, listener: Listener) -> None:
        self._recorder = recorder
        self._number = number
        self._listener = listener

    def on_message(self, raw: bytes) -> None:
        self._recorder.heard(self._number, raw, self._listener)

    def on_closed(self, reason: str) -> None:
        self._recorder.ended(self._number, reason, self._listener)


class OutsidePage(HaltPage):
    """The page of a halt; `page` None is a record's."""

    def __init__(self, outside: Outside, page: HaltPage | None) -> None:
        self._outside = outside
        self._page = page

    def prepare(self) -> None:
        self._real.prepare()

    def read(self) -> dict[str, Any] | None:
        return self._real.read()

    def clear(self) -> None:
        self._real.clear()

    def write_aside(self, record: Mapping[str, Any], done: Callable[[StorageError | None], None]) -> None:
        """As the page does, but that `done` is called on the island."""

        async def write() -> None:
            ended: asyncio.Future[StorageError | None] = asyncio.get_running_loop().create_future()
            loop = ended.get_loop()

            def written(error: StorageError | None) -> None:
                loop.call_soon_threadsafe(_give, ended, error)

            self._real.write_aside(record, written)
            error = await ended
            if error is not None:
                raise error

        async def tell() -> None:
            try:
                await self._outside.ask("halt page", record, write, NEVER)
            except StorageError as error:
                done(error)
            else:
                done(None)

        task = asyncio.get_running_loop().create_task(tell(), name="halt page")
        self._writing = task  # a loop keeps only weak references

    @property
    def _real(self) -> HaltPage:
        assert self._page is not None, "a record answers by itself"
        return self._page


def _give(ended: "asyncio.Future[StorageError | None]", error: StorageError | None) -> None:
    if not ended.done():
        ended.set_result(error)


class OutsideProbe:
    """A probe that measures beside the island."""

    def __init__(self, outside: Outside, probe: Probe) -> None:
        self.code = probe.code
        self._outside = outside
        self._probe = probe

    async def run(self) -> None:
        await self._outside.ask(f"probe {self.code}", None, self._probe.run, NEVER)

    def read(self) -> float | None:
        return self._outside.reading(f"probe {self.code}", self._probe.read)


class OutsideLag(LoopLag):
    """The lag of the loop that the island lies in."""

    def __init__(self, outside: Outside, lag: LoopLag) -> None:
        self._probe = OutsideProbe(outside, lag)
        self._lag = lag

    def hold(self) -> None:
        self._lag.hold()

    def ready(self) -> None:
        self._lag.ready()

    async def run(self) -> None:
        await self._probe.run()

    def read(self) -> float:
        return self._probe.read() or 0.0


class OutsidePool(InferencePool):
    """Models that are slow predict in their process; what it said is heard again, and not computed anew."""

    def __init__(self, outside: Outside) -> None:
        super().__init__()
        self._outside = outside

    async def _submit(self, work: Callable[..., T], *arguments: Any) -> T:
        async def submit() -> T:
            return await self._elsewhere(work, *arguments)

        return await self._outside.ask("pool", work.__name__, submit, POOL)

    async def _elsewhere(self, work: Callable[..., T], *arguments: Any) -> T:
        return await super()._submit(work, *arguments)


def _write_pooled(value: NDArray[np.float64] | float | None) -> Any:
    return None if isinstance(value, np.ndarray) else value


POOL = Form(_write_pooled, lambda raw: raw)
