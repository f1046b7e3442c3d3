"""When somebody should look: conditions on metrics, for Prometheus and for Grafana alike."""

from typing import Final, Literal, NamedTuple

from gal_friday_core.metrics import BY_NAME, Metric

Severity = Literal["critical", "warning"]


class AlertRule(NamedTuple):
    """Holds while the metric, or its growth over `within` where that is set, is above `above` for `minutes`."""

    name: str
    metric_name: str
    above: float
    minutes: int
    severity: Severity
    summary: str
    within: str = ""

    @property
    def metric(self) -> Metric:
        return BY_NAME[self.metric_name]


ALERTS: Final = (
    AlertRule("TradingHalted", "gal_friday_engine_halted", 0, 0, "critical",
              "Trading is halted. gal-friday status says why, resume asks for the checklist."),
    AlertRule("RoleSilent", "gal_friday_dashboard_silent", 0, 1, "critical",
              "One of the roles that the dashboard asks does not answer: nobody does its part. Stops stay at the exchange."),
    AlertRule("OrderUnknown", "gal_friday_engine_orders_unknown", 0, 1, "critical",
              "Nobody knows what became of an order; its pair is blocked. Look at the exchange."),
    AlertRule("EntriesKeptBack", "gal_friday_engine_gate_blocks", 0, 15, "warning",
              "No entries for a quarter of an hour. gal-friday status lists the blocks."),
    AlertRule("MarketUnusable", "gal_friday_feed_unusable", 0, 2, "warning",
              "The pair has no verified, fresh market data."),
    AlertRule("ReportsThatShouldNotBe", "gal_friday_engine_anomalies_total", 0, 0, "critical",
              "The exchange reported what should not be. The log names the order.", within="10m"),
    AlertRule("DrawdownToday", "portfolio_metrics_daily_drawdown", 0.04, 0, "warning",
              "Equity fell more than 4 % from today's highest."),
    AlertRule("DatabaseSilent", "gal_friday_health_database_silent_seconds", 5, 0, "critical",
              "The database does not answer; orders need a durable intent."),
    AlertRule("JournalBehind", "gal_friday_journal_waiting", 1000, 2, "warning",
              "Records wait to be made durable."),
    AlertRule("NotesLost", "gal_friday_journal_notes_dropped_total", 0, 0, "warning",
              "The journal lost notes: predictions and bars will be missing.", within="10m"),
    AlertRule("ConnectionsShort", "gal_friday_database_wait_seconds_total", 30, 0, "warning",
              "Callers waited more than half a minute for connections within five. gal-friday performance.", within="5m"),
    AlertRule("StrandsWait", "gal_friday_strands_oldest_seconds", 60, 1, "critical",
              "A strand waits for a minute and more: the role does not handle what others tell it. gal-friday strands status."),
    AlertRule("StrandsFailed", "gal_friday_strands_failed_total", 0, 0, "critical",
              "A strand was marked as failed. gal-friday strands status names it, and show tells its story.", within="10m"),
    AlertRule("LoopLate", "gal_friday_loop_lag_p99_seconds", 0.25, 2, "warning",
              "The event loop calls what is due a quarter of a second late. gal-friday performance."),
    AlertRule("EventsLost", "gal_friday_bus_dropped_total", 0, 0, "warning",
              "A lane of the bus was full.", within="10m"),
    AlertRule("HandlerFailed", "gal_friday_bus_failed_total", 0, 0, "critical",
              "A handler raised; trading halts. The log has the traceback.", within="10m"),
    AlertRule("ClockOff", "gal_friday_health_clock_offset_seconds", 1, 2, "critical",
              "This machine's clock differs from the exchange's. gal-friday doctor."),
    AlertRule("MemoryHigh", "gal_friday_process_resident_bytes", 3e9, 10, "warning",
              "The process holds more than 3 GB."),
    AlertRule("MeasurementsLost", "gal_friday_outbox_lost_total", 0, 0, "warning",
              "Log lines or measurements were lost.", within="15m"),
)  # fmt: skip

ENGINE_GONE: Final = "EngineGone"
ENGINE_GONE_SUMMARY: Final = (
    "No engine tells its numbers: it, or the dashboard that is asked for them, is gone or hangs."
)
