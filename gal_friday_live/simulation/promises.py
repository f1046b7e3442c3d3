"""The promises P1 to P17: what each says, what the simulation looks at for it, and the tests by name that hold it.

`table` simulates worlds here and now, and counts for each promise how often it was broken. What no invariant can see
is held by tests alone; `tests/live/test_promises.py` checks that every one of them exists.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gal_friday_live.simulation.campaign import simulate


@dataclass(frozen=True, kw_only=True, slots=True)
class Promise:
    """`invariants` in words, as `simulation.invariants`, `calm` and `liveness` look at them; `tests` as node ids."""

    code: str
    text: str
    invariants: tuple[str, ...] = ()
    tests: tuple[str, ...]
    open: str = ""  # what does not hold yet


PROMISES = (
    Promise(
        code="P1", text="at most one live order on the exchange for each signal",
        invariants=("one entry a signal, no client order id twice, when the exchange takes an order",),
        tests=("tests/live/test_unknown_orders.py::test_the_same_signal_twice_is_one_order",
               "tests/live/test_kill.py::test_killed_on_its_way_the_order_is_there_once_booked_and_protected"),
    ),
    Promise(
        code="P2", text="no order on the exchange without an intent in the journal",
        invariants=("its intent is durable when the exchange takes an order",),
        tests=("tests/live/test_halting.py::test_without_a_durable_intent_no_order_is_sent_and_trading_halts",
               "tests/live/test_kill.py::test_killed_between_intent_and_sending_leaves_no_order_and_sends_none_later"),
    ),
    Promise(
        code="P3", text="every fill is booked exactly once",
        invariants=("positions are what the booked fills add up to", "no fill stays unbooked in a calm world"),
        tests=("tests/live/test_unknown_orders.py::test_a_report_told_twice_is_booked_once",
               "tests/live/test_kill.py::test_killed_again_and_again_while_it_recovers_it_ends_with_the_same_books"),
    ),
    Promise(
        code="P4", text="cash and positions conserve; our books become the exchange's once faults stop",
        invariants=("balances equal to the last digit in the end", "no difference is believed that is none"),
        tests=("tests/live/test_reconciliation_converges.py::test_our_books_become_the_exchanges",
               "tests/core/test_portfolio.py"),
    ),
    Promise(
        code="P5", text="nothing that increases risk is sent while halted; a halt survives a restart",
        invariants=("no buy leaves while engine, journal or gate say no", "a halt is in the journal",
                    "trading resumes only on a compared account"),
        tests=("tests/live/test_halting.py::test_a_halt_between_approval_and_send_stops_the_entry",
               "tests/live/test_kill.py::test_a_halt_survives_the_kill_and_ends_only_after_a_clean_reconciliation"),
    ),
    Promise(
        code="P6", text="worst-case exposure of each side stays within its limits",
        invariants=("exposure a pair and in all, open buys included, when the exchange takes a buy",
                    "no order asks for more than there is"),
        tests=("tests/core/risk/test_risk_stateful.py",),
    ),
    Promise(
        code="P7", text="no decision on data that is too old or not verified",
        invariants=("the bar is young, and the best prices are those that the exchange showed lately",),
        tests=("tests/live/test_reload.py::test_ages_of_the_market_follow",
               "tests/live/test_data_ingestor.py"),
    ),
    Promise(
        code="P8", text="an unknown outcome is never guessed",
        invariants=("what is called never arrived the exchange does not have, and never takes",
                    "no buy of a pair while nobody knows of another"),
        tests=("tests/live/test_unknown_orders.py::test_an_order_that_never_arrived_is_given_up_only_after_its_deadline_and_a_margin",
               "tests/live/test_unknown_orders.py::test_an_order_that_arrives_late_is_found"),
    ),
    Promise(
        code="P9", text="database, metrics or logs down or hung: no new risk, and cancels still work",
        invariants=("all of the above while the database is slow, down, hung, full, or loses its answers",),
        tests=("tests/live/test_storage_faults.py::test_while_the_database_hangs_nothing_is_entered_and_entries_can_be_cancelled",
               "tests/live/test_control_socket.py::test_callers_that_take_no_answer_hold_up_nobody_and_lose_their_places"),
    ),
    Promise(
        code="P10", text="protective stops stay on the exchange through crash, halt and stop",
        invariants=("nothing held stays without an order that sells it in a calm world",
                    "no engine cancels every order while stops rest"),
        tests=("tests/live/test_halting.py::test_a_halt_cancels_the_entry_that_waits_and_keeps_protection",
               "tests/live/test_protection_kraken.py::test_stops_that_the_dead_mans_switch_took_are_placed_again"),
    ),
    Promise(
        code="P11", text="limits on size, price, rate, repetition, loss and exposure; no reload loosens one",
        invariants=("limits in force are never looser than at the start", "no buy after a loss beyond its limit",
                    "the exchange's rate limits are not run into again and again"),
        tests=("tests/live/test_risk_manager.py::test_a_reload_never_loosens",
               "tests/live/test_reload.py::test_a_looser_limit_refuses_all_of_it_by_name",
               "tests/core/risk/test_loosening.py", "tests/core/risk/test_risk_stateful.py"),
    ),
    Promise(
        code="P12", text="a jump of the wall clock changes nothing but labels",
        invariants=("all of the above while the wall clock is set by seconds, hours and days",),
        tests=("tests/live/test_clock.py::test_between_two_readings_passes_what_passed_whatever_the_wall_clock_does",),
    ),
    Promise(
        code="P13",
        text="backtest, replay and paper trading decide alike: the same market, the same orders",
        tests=(
            "tests/live/test_engine.py::test_backtest_and_paper_replay_make_identical_orders",
            "tests/live/test_engine.py::test_backtest_and_paper_replay_make_identical_orders_on_real_candles",
            "tests/live/test_backtesting.py::test_the_same_run_gives_the_same_report",
            "tests/live/test_live_engine.py::test_two_replays_of_a_market_trade_alike",
            "tests/live/test_flight.py::test_live_runs_are_replayed_byte_for_byte_and_a_changed_engine_is_found",
        ),
    ),
    Promise(
        code="P14", text="every path of events is bounded: memory stays flat",
        tests=("tests/live/test_simulation_troubles.py::test_a_long_run_tells_of_memory_hour_by_hour",
               "tests/live/test_simulation_troubles.py::test_memory_that_grows_is_not_called_flat",
               "tests/live/test_simulation_troubles.py::test_a_world_whose_past_is_forgotten_keeps_its_promises_and_its_sums",
               "tests/live/test_engine_footprint.py::test_engine_process_stays_small_and_imports_no_pipeline"),
        open="the names of booked fills are kept for good, a tenth of a kilobyte each",
    ),
    Promise(
        code="P15", text="a full disk halts trading, and cancels still work",
        invariants=("all of the above while disk or database are full",),
        tests=("tests/live/test_storage_faults.py::test_on_a_full_disk_trading_halts_and_entries_can_be_cancelled",),
    ),
    Promise(
        code="P16",
        text="every intent names code, configuration, model and data; a model of other features is refused",
        invariants=("the intent of every entry that the exchange takes names all of them",),
        tests=("tests/live/test_provenance.py::test_every_intent_names_what_stands_behind_it_an_exit_the_model_of_its_entry",
               "tests/live/test_code_version.py::test_this_code_knows_itself",
               "tests/live/test_live_engine.py::test_a_model_of_other_features_keeps_the_engine_from_starting",
               "tests/live/test_prediction_service.py::test_a_model_on_features_that_the_engine_does_not_compute_does_not_start",
               "tests/core/features/test_kernel_revision.py::test_features_are_those_of_their_revision"),
    ),
    Promise(
        code="P17",
        text="paper first, then small; a halt by itself when order rate or losses are beyond their limits, and a page",
        invariants=("no engine is halted for the rate of its orders: none ever asks for so much",),
        tests=("tests/live/test_order_rate.py::test_a_runaway_strategy_halts_the_engine_in_the_journal_and_buys_no_more",
               "tests/live/test_risk_manager.py::test_a_new_model_begins_small_and_an_earlier_run_counts",
               "tests/live/test_live_request.py::test_real_money_needs_the_configuration_and_the_switch",
               "tests/live/test_live_request.py::test_real_money_begins_small_and_has_somebody_to_wake",
               "tests/live/test_alert_watch.py::test_a_halt_is_a_page_at_once_with_what_was_wrong_and_told_once",
               "tests/adapters/test_alerts.py::test_a_webhook_and_a_mailbox_hear_the_same_alert",
               "tests/live/test_live_request.py::test_real_money_never_trades_a_model_that_was_not_promoted",
               "tests/live/test_halting.py::test_a_drawdown_beyond_its_limit_halts_and_leaves_only_exits"),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """A promise, and how often it was seen to break."""

    promise: Promise
    worlds: int
    broken: int

    @property
    def result(self) -> str:
        if self.broken:
            return f"BROKEN {self.broken} times"
        return "held" if self.promise.invariants else "by its tests alone"


@dataclass(frozen=True, slots=True)
class Table:
    """All of them. `elsewhere` counts violations that are of no promise: an engine that failed, or never got well."""

    rows: tuple[Row, ...]
    worlds: int
    elsewhere: int

    @property
    def broken(self) -> int:
        return sum(row.broken for row in self.rows) + self.elsewhere

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "worlds": self.worlds,
            "violations": self.broken,
            "promises": [
                {
                    "promise": row.promise.code,
                    "text": row.promise.text,
                    "invariants": list(row.promise.invariants),
                    "tests": list(row.promise.tests),
                    "open": row.promise.open,
                    "violations": row.broken,
                    "result": row.result,
                }
                for row in self.rows
            ],
        }


def table(seeds: Sequence[int], *, jobs: int = 1) -> Table:
    """Simulate the worlds of these seeds, and say of each promise whether it held."""
    campaign = simulate(seeds, jobs=jobs)
    broken = Counter(one.promise for outcome in campaign.failed for one in outcome.violations)
    rows = tuple(Row(promise, campaign.worlds, broken.pop(promise.code, 0)) for promise in PROMISES)
    return Table(rows, campaign.worlds, broken.total())
