"""Models whose files cannot be fetched for a while: what serves goes on serving, and what was promoted follows."""

from gal_friday_adapters.artifact_store import UnreachableArtifactError
from gal_friday_live.fixed_models import FixedModels
from tests.live.test_prediction_service import Room, typed, until
from tests.live.trading import entries
from tests.live.world import SERIES, START, predictor


class FarAway(FixedModels):
    """A store of artifacts that can be away: what is not `kept` here is then out of reach."""

    def __init__(self, *given):
        super().__init__(*given)
        self.away, self.kept, self.asked = False, {model.model_id for model in given}, 0

    def reached(self, model):
        if self.away and model is not None and model.model_id not in self.kept:
            self.asked += 1
            raise UnreachableArtifactError(f"{model.model_id}: is it up?")
        return model

    async def production(self, model_type):
        return self.reached(await super().production(model_type))

    async def by_id(self, model_id):
        return self.reached(await super().by_id(model_id))


async def test_a_model_promoted_while_its_files_are_out_of_reach_serves_when_they_come_back():
    models, second = FarAway(predictor()), f"{SERIES.key}@v2"
    async with Room(models) as room:
        models.away = True
        models.promote(predictor(version=2, seed=11))
        await until(lambda: models.asked > 2)
        room.tell()
        other = typed("breakout")
        models.kept.add(other.model_id)
        models.promote(other)
        await until(lambda: other.model_id in room.service.model_ids)
        assert second not in room.service.model_ids
        models.away = False
        await until(lambda: second in room.service.model_ids)
        room.tell(moment=START + 1)
    assert room.errors == [f"{second}: is it up?"]
    assert room.models()[0] == predictor().model_id
    assert sorted(room.models()[1:]) == sorted([second, other.model_id])
    assert room.tasks.failed == 0


async def test_a_shadow_that_is_out_of_reach_keeps_no_engine_from_starting_and_is_scored_later():
    models, shadow = FarAway(predictor()), predictor(version=2, seed=11)
    models.stage(shadow)
    models.away = True
    async with Room(models) as room:
        told = []
        room.bus.subscribe("MODEL_LIFECYCLE", lambda event: told.append(event.payload.model_id))
        assert room.service.trading == [predictor().model_id]
        await until(lambda: models.asked > 3)
        models.away = False
        await until(lambda: shadow.model_id in told)
        room.tell()
        await room.tasks.settle()
        scored = await entries(room.journal, "SHADOW_PREDICTION")
    assert [entry.record["model_id"] for entry in scored] == [shadow.model_id]
    assert room.errors
