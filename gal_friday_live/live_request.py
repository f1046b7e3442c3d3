"""What the user asked of `gal-friday live`, checked before anything is started."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError

Mode = Literal["paper", "live", "replay"]
RAMP = "a ramp for new models (risk.ramp_orders: 10 is a start; with risk.ramp_fraction: 1 sizes are full from the first)"
SOMEBODY = "somebody to wake (alerts.page_urls; try it with gal-friday alerts test)"
MODES: tuple[Mode, ...] = ("paper", "live", "replay")
RoleName = Literal["alpha", "decision", "trader"]
ROLES: tuple[RoleName, ...] = ("alpha", "decision", "trader")


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRequest:
    """`venue` is the address of a running simulated Kraken; `candles` and `session` are recorded markets, played
    on an embedded one (paper) or straight into the feed (replay) at `speed`; `model` with `override_reason`
    trades a model that the gates refused. `record` is the folder of a flight record. With a `role` only that part of
    a split engine runs; `name` tells alphas apart, and a `standby` waits until the one that runs is gone.
    """

    mode: Mode = "paper"
    venue: str | None = None
    candles: Path | None = None
    session: Path | None = None
    speed: float | None = None
    faults: str = ""
    seed: int = 1
    model: str | None = None
    override_reason: str | None = None
    entry_threshold: float | None = None
    seconds: float | None = None
    real_money: bool = False
    record: Path | None = None
    role: RoleName | None = None
    name: str | None = None
    standby: bool = False

    @property
    def recorded(self) -> Path | None:
        """The recorded market, if there is one."""
        return self.candles or self.session

    @property
    def simulated(self) -> bool:
        """Whether orders go over the wire to a simulated Kraken."""
        return self.mode == "paper" and (self.venue is not None or self.recorded is not None)

    def check(self, config: Config) -> None:
        """Raises ConfigError for what contradicts itself, and for real money that was not meant."""
        if self.venue and self.recorded:
            raise ConfigError("--venue has its own market: leave out --candles and --session, or --venue")
        if self.candles and self.session:
            raise ConfigError("one market at a time: give --session or --candles")
        if self.override_reason and not self.model:
            raise ConfigError("--override-reason says why a model may trade: name it with --model")
        if self.model and not self.override_reason:
            raise ConfigError(
                f"--model {self.model} trades without a promotion: say why with --override-reason, or promote it "
                "with gal-friday models promote"
            )
        self._check_mode(config)
        self._check_role(config)

    def check_files(self) -> None:
        """Raises ConfigError where the recorded market is not there: sooner than a database is started for it."""
        if self.recorded and not self.recorded.exists():
            name = "--candles" if self.candles else "--session"
            raise ConfigError(f"{name} {self.recorded}: no such file or folder")

    def _check_mode(self, config: Config) -> None:
        if self.mode == "replay" and self.record:
            raise ConfigError(
                "--record writes down what an engine hears of the world: --mode replay hears a record"
            )
        if self.mode == "replay" and not self.recorded:
            raise ConfigError("--mode replay needs --session or --candles: what should be replayed?")
        if self.mode != "paper" and self.venue:
            raise ConfigError(
                f"--venue names a simulated exchange: it goes with --mode paper, not {self.mode}"
            )
        if self.faults and not (self.mode == "paper" and self.recorded):
            raise ConfigError(
                "--faults strike an embedded market: give --candles or --session with --mode paper"
            )
        if self.mode == "live":
            self._check_real_money(config)
        elif self.real_money:
            raise ConfigError(f"--i-understand-real-money goes with --mode live only, not {self.mode}")

    def _check_role(self, config: Config) -> None:
        if self.role is None:
            if self.name or self.standby:
                raise ConfigError(
                    "--name and --standby are of one role of a split engine: say which with --role"
                )
            return
        if self.recorded or self.mode == "replay" or self.record:
            raise ConfigError(
                "roles meet on one market that all of them hear: --venue, or the exchange's own; no --candles, "
                "--session, --record or --mode replay"
            )
        if config.storage.database_url is None and config.module_communication.database.host is None:
            raise ConfigError(
                "roles meet in one database: set storage.database_url, or module_communication.database.host with the "
                "role's own login"
            )
        if self.name and self.role != "alpha":
            raise ConfigError(f"--name tells alphas apart: an account has one {self.role}")
        if self.model and self.role != "alpha":
            raise ConfigError(f"--model is the alpha's, not the {self.role}'s")

    def _check_real_money(self, config: Config) -> None:
        if self.recorded or self.model:
            raise ConfigError(
                "--mode live trades the promoted model on the exchange itself: no recorded market, no --model"
            )
        needed = {
            "mode: live in the configuration file": config.mode == "live",
            "--i-understand-real-money": self.real_money,
            RAMP: config.risk.ramp_orders > 0,
            SOMEBODY: config.alerts.pages_somebody,
        }
        missing = [what for what, there in needed.items() if not there]
        if missing:
            raise ConfigError(f"live trading moves real money; still missing: {' and '.join(missing)}")
