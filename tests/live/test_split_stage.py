"""What a role plays on with real money: only the trader has a key, and none of the others asks for one."""

import pytest

from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.live_request import LiveRequest
from gal_friday_live.live_stage import Ground, opened
from gal_friday_live.means import Means
from tests.live.running import serving
from tests.live.world import market

PAST = market(300)


class Past:
    """Known bars, and nothing of the exchange's."""

    async def history(self, series, bars):
        return PAST[-bars:]


class Keyless(Means):
    """A machine that was given no keys."""

    def history(self, service):
        return Past()

    def credentials(self, manager):
        raise ConfigError("live trading needs exchange keys")


async def test_alpha_and_decision_maker_play_on_the_real_exchange_without_a_key_and_the_trader_never(
    tmp_path,
):
    async with serving(tmp_path) as server:
        config = Config.model_validate(
            {"storage": {"data_dir": tmp_path / "data"}, "exchange": {"rest_url": server.url}}
        )
        manager = ConfigurationManager.from_config(config)
        for role in ("alpha", "decision"):
            request = LiveRequest(mode="live", role=role)
            async with opened(manager, request, Ground(), Keyless()) as stage:
                assert not stage.simulated
                assert (stage.venue, stage.account) == ("kraken", config.exchange.account)
                assert [item.pair for item in stage.instruments] == ["BTC/USD"]
        with pytest.raises(ConfigError, match="needs exchange keys"):
            async with opened(manager, LiveRequest(mode="live", role="trader"), Ground(), Keyless()):
                pass
