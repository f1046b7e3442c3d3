"""The detector reads, looks, and tells: findings beyond their threshold become events, nothing else does."""

import asyncio

import numpy as np

from gal_friday_core.drift.data import Reference
from gal_friday_core.drift.finding import DRIFT_TYPES
from gal_friday_core.drift.looks import Watched
from gal_friday_core.drift.prediction import ScoreReference
from gal_friday_core.errors import DataError
from gal_friday_live.bus import PubSubManager
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.drift_detector import DriftDetector
from gal_friday_live.ids import SequentialIds
from tests.core.drift.scored import PROMISE, end_ns, scored


class Records:
    """What is known of one model; `shift` moves its first feature."""

    def __init__(self, shift=0.0):
        rng = np.random.default_rng(1)
        features = rng.normal(size=(500, 3))
        features[:, 0] += shift
        self.watched_one = Watched(
            model_id="m@v1", reference=Reference.of(rng.normal(size=(3_000, 3)), ("a", "b", "c")), features=features,
            scores=ScoreReference.of(rng.uniform(0.3, 0.8, 3_000), PROMISE.threshold),
            probability=rng.uniform(0.3, 0.8, 500), history=scored(300, 4), scored=scored(300, 3), promise=PROMISE,
        )  # fmt: skip
        self.asked = []

    async def watched(self, model_id, now_ns):
        self.asked.append((model_id, now_ns))
        if model_id != "m@v1":
            raise DataError(f"{model_id}: no predictions were recorded yet; let the engine run")
        return self.watched_one


def detected(records, model_id="m@v1"):
    async def run():
        clock, events = SimulatedClock(end_ns(records.watched_one.scored)), []

        async def keep(event):
            events.append(event)

        bus = PubSubManager(clock, SequentialIds())
        bus.subscribe("DRIFT_DETECTION", keep)
        detector = DriftDetector(
            ConfigurationManager(environ={}), records=records, clock=clock, event_bus=bus
        )
        return await detector.detect(model_id), events

    return asyncio.run(run())


def test_a_sound_model_is_looked_at_and_nothing_is_told():
    records = Records()
    findings, events = detected(records)
    assert tuple(one.drift_type for one in findings) == DRIFT_TYPES
    assert events == []
    assert records.asked == [("m@v1", end_ns(records.watched_one.scored))]


def test_drift_becomes_an_event_with_the_finding_as_its_payload():
    findings, events = detected(Records(shift=1.0))
    assert [event.payload for event in events] == [findings[0]]
    assert (events[0].event_type, events[0].source_module) == ("DRIFT_DETECTION", "RetrainingPipeline")
    assert events[0].as_dict()["payload"]["metrics"]["worst"]["a"]["state"] == "drifted"


def test_a_model_of_which_nothing_is_known_is_undecided_in_every_way():
    findings, events = detected(Records(), "m@v9")
    assert events == []
    assert [one.metrics["reason"] for one in findings] == [
        "m@v9: no predictions were recorded yet; let the engine run"
    ] * 4
