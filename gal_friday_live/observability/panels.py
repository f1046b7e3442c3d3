"""What Grafana draws: rows of panels, each over metrics that `gal_friday_core.metrics` defines."""

from typing import Final, NamedTuple

from gal_friday_core.metrics import BY_NAME, Metric


class Panel(NamedTuple):
    """One drawing. `unit` as Grafana names it; of a counter its rate per second is drawn. `stat` shows one number."""

    title: str
    unit: str
    names: tuple[str, ...]
    stat: bool = False

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return tuple(BY_NAME[name] for name in self.names)


class Row(NamedTuple):
    title: str
    panels: tuple[Panel, ...]


ROWS: Final = (
    Row("Account", (
        Panel("Equity", "none", ("portfolio_metrics_equity",), stat=True),
        Panel("Trading halted", "bool_yes_no", ("gal_friday_engine_halted",), stat=True),
        Panel("Exposure", "percentunit", ("portfolio_metrics_exposure",), stat=True),
        Panel("Fall today", "percentunit", ("portfolio_metrics_daily_drawdown",), stat=True),
        Panel("Equity and cash", "none", ("portfolio_metrics_equity", "portfolio_metrics_cash")),
        Panel("Drawdowns", "percentunit", (
            "portfolio_metrics_daily_drawdown", "portfolio_metrics_weekly_drawdown", "portfolio_metrics_total_drawdown",
        )),
        Panel("Profit and fees", "none", (
            "portfolio_metrics_realized_pnl", "portfolio_metrics_unrealized_pnl", "portfolio_metrics_fees",
        )),
        Panel("Positions", "none", ("gal_friday_position_value",)),
    )),
    Row("Trading", (
        Panel("Signals", "ops", (
            "gal_friday_engine_signals_proposed_total", "gal_friday_engine_signals_approved_total",
            "gal_friday_engine_predictions_total",
        )),
        Panel("Signals refused", "ops", ("gal_friday_engine_signals_rejected_total",)),
        Panel("Orders and fills", "ops", (
            "gal_friday_engine_orders_sent_total", "gal_friday_engine_fills_total",
            "gal_friday_engine_orders_refused_total", "gal_friday_engine_anomalies_total",
        )),
        Panel("Open orders and positions", "none", (
            "portfolio_metrics_open_orders", "portfolio_metrics_open_positions", "gal_friday_engine_orders_unknown",
        )),
        Panel("Order path", "s", (
            "gal_friday_order_path_send_p50_seconds", "gal_friday_order_path_send_p99_seconds",
            "gal_friday_order_path_answer_p50_seconds", "gal_friday_order_path_answer_p99_seconds",
        )),
        Panel("Predictions", "s", ("gal_friday_inference_p50_seconds", "gal_friday_inference_p99_seconds")),
    )),
    Row("Market", (
        Panel("Line stands", "bool_on_off", ("gal_friday_feed_connected",), stat=True),
        Panel("Heard last", "s", ("gal_friday_feed_heard_age_seconds",)),
        Panel("Unusable pairs", "none", ("gal_friday_feed_unusable",)),
        Panel("Lost on the way", "ops", (
            "gal_friday_feed_missed_trades_total", "gal_friday_feed_books_invalid_total", "gal_friday_feed_bars_refused_total",
        )),
        Panel("What keeps entries back", "none", ("gal_friday_engine_gate_blocks", "gal_friday_engine_findings")),
    )),
    Row("Engine", (
        Panel("Event loop is late by", "s", (
            "gal_friday_loop_lag_p50_seconds", "gal_friday_loop_lag_p99_seconds", "gal_friday_loop_lag_max_seconds",
        )),
        Panel("Event through its handlers", "s", (
            "gal_friday_bus_handler_p50_seconds", "gal_friday_bus_handler_p99_seconds",
        )),
        Panel("Events", "ops", (
            "gal_friday_bus_delivered_total", "gal_friday_bus_superseded_total", "gal_friday_bus_dropped_total",
            "gal_friday_bus_failed_total",
        )),
        Panel("Garbage collector stops the process", "percentunit", ("gal_friday_gc_pause_seconds_total",)),
        Panel("Memory", "bytes", ("gal_friday_process_resident_bytes",)),
        Panel("Processor", "percentunit", ("gal_friday_process_cpu_seconds_total",)),
        Panel("Threads and files", "none", ("gal_friday_process_threads", "gal_friday_process_open_files")),
        Panel("Cache misses", "ops", ("gal_friday_cache_misses_total", "gal_friday_cache_hits_total")),
    )),
    Row("Strands between the roles of a split engine", (
        Panel("Strands that wait", "none", ("gal_friday_strands_waiting",)),
        Panel("The oldest waits for", "s", (
            "gal_friday_strands_oldest_seconds", "gal_friday_strands_looked_age_seconds",
        )),
        Panel("From writing to handled", "s", (
            "gal_friday_strands_handled_p50_seconds", "gal_friday_strands_handled_p99_seconds",
        )),
        Panel("Handled, and not", "ops", (
            "gal_friday_strands_done_total", "gal_friday_strands_failed_total", "gal_friday_strands_expired_total",
            "gal_friday_strands_retried_total", "gal_friday_strands_reconnected_total",
        )),
    )),
    Row("Database and what waits", (
        Panel("Records that wait", "none", ("gal_friday_journal_waiting", "gal_friday_outbox_waiting")),
        Panel("Connections", "none", (
            "gal_friday_database_pool_connections", "gal_friday_database_pool_idle", "gal_friday_database_pool_waiting",
        )),
        Panel("Waiting for a connection", "percentunit", ("gal_friday_database_wait_seconds_total",)),
        Panel("Statements", "ops", ("gal_friday_database_statements_total", "gal_friday_database_requests_total")),
        Panel("Time in statements", "percentunit", ("gal_friday_database_statement_seconds_total",)),
        Panel("Lost", "ops", (
            "gal_friday_journal_notes_dropped_total", "gal_friday_outbox_lost_total",
            "gal_friday_journal_write_failures_total", "gal_friday_outbox_failures_total",
        )),
        Panel("Free disk", "bytes", ("gal_friday_health_free_disk_bytes",)),
        Panel("Clock differs from the exchange's", "s", ("gal_friday_health_clock_offset_seconds",)),
    )),
)  # fmt: skip
