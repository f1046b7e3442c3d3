"""The interfaces of the specification, read from its file: every class of the engine, with every public method."""

import inspect
import json
from pathlib import Path

import pytest

from gal_friday_live.backtesting import BacktestingEngine
from gal_friday_live.bus import EnhancedEventBus, PubSubManager
from gal_friday_live.cli_service import CLIService
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.dashboard.service import DashboardService
from gal_friday_live.data_ingestor import DataIngestor
from gal_friday_live.execution_handler import ExecutionHandler
from gal_friday_live.experiment_manager import ExperimentManager
from gal_friday_live.feature_engine import FeatureEngine
from gal_friday_live.logger_service import LoggerService
from gal_friday_live.model_registry import ModelRegistry
from gal_friday_live.monitoring_service import MonitoringService
from gal_friday_live.performance_optimizer import PerformanceOptimizer
from gal_friday_live.portfolio_manager import PortfolioManager
from gal_friday_live.prediction_service import PredictionService
from gal_friday_live.reconciliation_service import ReconciliationService
from gal_friday_live.retraining_pipeline import RetrainingPipeline
from gal_friday_live.risk_manager import RiskManager
from gal_friday_live.strategy_arbitrator import StrategyArbitrator
from gal_friday_live.websocket_connection_manager import WebSocketConnectionManager

INTERFACES = json.loads(Path(__file__).with_name("contract.json").read_text(encoding="utf-8"))["interfaces"]
BUILT = {
    "BacktestingEngine": BacktestingEngine,
    "CLIService": CLIService,
    "ConfigurationManager": ConfigurationManager,
    "DashboardService": DashboardService,
    "DataIngestor": DataIngestor,
    "EnhancedEventBus": PubSubManager,
    "ExecutionHandler": ExecutionHandler,
    "ExperimentManager": ExperimentManager,
    "FeatureEngine": FeatureEngine,
    "LoggerService": LoggerService,
    "ModelRegistry": ModelRegistry,
    "MonitoringService": MonitoringService,
    "PerformanceOptimizer": PerformanceOptimizer,
    "PortfolioManager": PortfolioManager,
    "PredictionService": PredictionService,
    "ReconciliationService": ReconciliationService,
    "RetrainingPipeline": RetrainingPipeline,
    "RiskManager": RiskManager,
    "StrategyArbitrator": StrategyArbitrator,
    "WebSocketConnectionManager": WebSocketConnectionManager,
}
POSITIONAL = {
    "BacktestingEngine": ["config"],
    "CLIService": ["config", "monitoring_service", "main_app_controller"],
    "ConfigurationManager": ["config_path"],
    "DashboardService": ["config", "database"],
    "DataIngestor": ["config", "event_bus"],
    "ExecutionHandler": ["config", "event_bus"],
    "ExperimentManager": ["config", "database"],
    "FeatureEngine": ["config", "event_bus"],
    "LoggerService": ["config", "event_bus"],
    "ModelRegistry": ["config", "database"],
    "MonitoringService": ["config", "event_bus"],
    "PerformanceOptimizer": ["config"],
    "PortfolioManager": ["config", "event_bus"],
    "PredictionService": ["config", "event_bus", "process_pool_executor"],
    "ReconciliationService": ["config", "portfolio_manager"],
    "RetrainingPipeline": ["config", "model_registry"],
    "RiskManager": ["config", "event_bus", "portfolio_manager"],
    "StrategyArbitrator": ["config", "event_bus"],
    "WebSocketConnectionManager": ["config"],
}
SYNCHRONOUS = {
    "get_current_state",
    "is_halted",
    "run_backtest",
    "load_config",
    "get",
    "subscribe",
    "unsubscribe",
    "log",
    "log_timeseries",
    "parse_args",
    "handle_command",
}


def test_every_class_of_the_engine_exists():
    assert BUILT.keys() == INTERFACES.keys()
    for name, built in BUILT.items():
        assert built.__name__ in (name, "PubSubManager")


@pytest.mark.parametrize("name", sorted(BUILT))
def test_every_public_method_of_the_contract_exists(name):
    missing = [method for method in INTERFACES[name] if not callable(getattr(BUILT[name], method, None))]
    assert missing == []


@pytest.mark.parametrize("name", sorted(POSITIONAL))
def test_constructors_take_the_positional_parameters_of_the_contract_and_ports_by_keyword(name):
    parameters = list(inspect.signature(BUILT[name].__init__).parameters.values())[1:]
    positional = [item.name for item in parameters if item.kind is item.POSITIONAL_OR_KEYWORD]
    assert positional == POSITIONAL[name]


@pytest.mark.parametrize("name", sorted(BUILT))
def test_what_the_contract_calls_synchronous_is_and_the_rest_of_a_service_is_not(name):
    for method in INTERFACES[name]:
        function = getattr(BUILT[name], method)
        synchronous = method in SYNCHRONOUS or (method.startswith("get_") and name == "ConfigurationManager")
        asynchronous = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
        assert asynchronous != synchronous, method


def test_the_bus_protocol_is_what_the_bus_offers():
    for method in INTERFACES["EnhancedEventBus"]:
        assert hasattr(EnhancedEventBus, method)
