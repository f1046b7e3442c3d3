"""A model's validation as one HTML page: self-contained, light and dark, every text escaped, no script.

Entry point: `render`. All of it is read from the sealed artifact, and from its certificate where there is one:
the same files and certificate give the same page. How each number comes about is told in docs/validation.md.
"""

from collections.abc import Callable, Mapping
from math import fsum
from typing import Any

from gal_friday_adapters.report_figures import bands, calibration, columns, shares, whiskers
from gal_friday_adapters.report_parts import (
    Marked,
    document,
    figures,
    note,
    percent,
    plain,
    side_by_side,
    signed,
    signed_percent,
    soft,
    table,
)
from gal_friday_adapters.validation_curves import curves
from gal_friday_core import artifact
from gal_friday_core.certificate import Certificate, Gate
from gal_friday_core.evidence.report import Combinatorial, Evidence, Importance, Slice, Stress
from gal_friday_core.gates import evidence_of, report_of
from gal_friday_core.resampling import Estimate
from gal_friday_core.validation import ValidationReport

MOST_FEATURES_SHOWN = 20
_SLICE_NAMES = {"volatility": "Volatility", "trend": "Trend", "pair": "Pair", "month": "Month"}
_SHOWN: dict[str, Callable[[float | None], str]] = {
    "log_loss_gain": lambda value: signed(value, 5),
    "net_profit": lambda value: signed_percent(value, 3),
    "beats_production": lambda value: signed(value, 5),
    "stress_costs": lambda value: signed_percent(value, 3),
    "stress_latency": lambda value: signed_percent(value, 3),
    **dict.fromkeys(("psr", "dsr", "pbo", "calibration_error"), percent),
}
_COMPARED = {
    "above": "above",
    "at_least": "at least",
    "below": "below",
    "at_most": "at most",
    "equal": "exactly",
}


def render(files: Mapping[str, bytes], certificate: Certificate | None = None) -> str:
    """The page as text, to be written as UTF-8. Raises ArtifactError for files that were altered or tell no evidence."""
    found = artifact.verify(files)
    report, evidence = report_of(files), evidence_of(files)
    said = artifact.from_json(artifact.METADATA, files[artifact.METADATA])
    span = f"Out of sample from {evidence.days[0].date} to {evidence.days[-1].date}, artifact {found[:12]}…"
    body = (
        f"{soft(span)}{_verdict(certificate)}{_headline(report, evidence)}{_gates(certificate)}"
        f"{_equity(report, evidence)}{_folds(report)}{_probabilities(evidence)}{_explained(evidence.importance)}"
        f"{_paths(evidence.combinatorial)}{_stress(evidence.stress)}{_stability(evidence.slices)}"
        f"{_judged(found, said, evidence)}"
        + soft(
            f"Intervals and bands are those of {report.confidence:.0%} confidence. Returns are fractions of the stake "
            "after fees and slippage, added up, not compounded; a year has 365 days. A dash is unknown."
        )
    )
    return document(f"Validation of {said['series']}", body)


def _verdict(certificate: Certificate | None) -> str:
    if certificate is None:
        return note("Not certified yet: the gates have not been asked.")
    failed = [gate.name for gate in certificate.gates if not gate.passed]
    if certificate.passed:
        return note(f"Certified: all {len(certificate.gates)} gates passed.", "gain")
    return note(
        f"Refused: {len(failed)} of {len(certificate.gates)} gates failed: {', '.join(failed)}.", "lost"
    )


def _headline(report: ValidationReport, evidence: Evidence) -> str:
    pooled, sharpe, choice = report.pooled, evidence.sharpe, evidence.choice
    total = fsum(day.net_return for day in evidence.days)
    return figures(
        (
            ("Net return a trade", *_estimate(pooled.mean_net_return, lambda value: signed_percent(value, 3))),
            ("Net return, all folds", signed_percent(total), f"{pooled.trades:,} trades"),
            ("Gain of log loss", *_estimate(pooled.log_loss_gain, lambda value: signed(value, 5))),
            ("AUC", *_estimate(pooled.auc, lambda value: plain(value, 4))),
            ("Sharpe ratio a year", signed(sharpe.annual_ratio), f"{sharpe.days:,} days out of sample"),
            ("Probabilistic Sharpe", percent(sharpe.psr), f"{percent(sharpe.psr_2026)} with autocorrelation"),
            ("Deflated Sharpe", percent(sharpe.dsr), f"{sharpe.trials:,} tried"),
            ("Overfitting (PBO)", percent(choice.probability), f"the choice among {sharpe.trials:,}"),
            ("Calibration error", percent(pooled.calibration_error), f"{pooled.events:,} events"),
            ("Paths that lost", percent(evidence.combinatorial.losing_paths, 0),
             f"of {len(evidence.combinatorial.paths)} combinatorial"),
        )
    )  # fmt: skip


def _estimate(found: Estimate, shown: Callable[[float | None], str]) -> tuple[str, str]:
    between = "no interval" if found.low is None else f"{shown(found.low)} to {shown(found.high)}"
    return shown(found.value), between


def _gates(certificate: Certificate | None) -> str:
    if certificate is None:
        return ""
    rows = [
        (gate.name, _number(gate, gate.value), _limit(gate), _passed(gate), gate.about)
        for gate in certificate.gates
    ]
    return table("Gates", ("Gate", "Value", "Demanded", "Verdict", "In words"), rows, wide=True)


def _passed(gate: Gate) -> Marked:
    if gate.limit is None:
        return Marked("not asked", "")
    return Marked("passed", "gain") if gate.passed else Marked("failed", "lost")


def _limit(gate: Gate) -> str:
    if gate.limit is None:
        return "–"
    return f"{_COMPARED[gate.comparison]} {str(_number(gate, gate.limit)).removeprefix('+')}"


def _number(gate: Gate, value: float | None) -> Marked:
    shown = _SHOWN.get(gate.name)
    return Marked(shown(value) if shown else plain(value, 0), "")


def _equity(report: ValidationReport, evidence: Evidence) -> str:
    found, labels = curves(evidence.days, report.confidence)
    drawn = bands("Net return added up over all folds, each with its band", found, labels)
    about = "Each band starts with its fold: where the days of the fold might have led, drawn anew by weeks."
    if not any(day.trades for day in evidence.days):
        about = "No trade out of sample: no prediction reached the probability at which a trade breaks even."
    return f"<h2>Net equity by fold</h2>{drawn}{soft(about)}"


def _folds(report: ValidationReport) -> str:
    names = [f"fold {fold.number}" for fold in report.folds]
    scores = [fold.scores for fold in report.folds]
    gains = [_interval(name, score.log_loss_gain) for name, score in zip(names, scores, strict=True)]
    profits = [_interval(name, score.mean_net_return) for name, score in zip(names, scores, strict=True)]
    rows = [
        (
            name, fold.test_start[:10], fold.test_end[:10], f"{fold.fit_events:,}", f"{score.events:,}",
            signed(score.log_loss_gain.value, 5), plain(score.auc.value, 4), plain(score.brier.value, 4),
            percent(fold.threshold, 1), f"{score.trades:,}", signed_percent(score.mean_net_return.value, 3),
            signed_percent(score.total_net_return.value),
        )
        for name, fold, score in zip(names, report.folds, scores, strict=True)
    ]  # fmt: skip
    heads = (
        "Fold", "Tested from", "To", "Learnt from", "Events", "Gain", "AUC", "Brier", "Enters at", "Trades",
        "Net a trade", "Net",
    )  # fmt: skip
    drawn = side_by_side(
        ("Gain of log loss over the base rate", whiskers("Gain of log loss by fold", gains)),
        ("Net return a trade", whiskers("Net return a trade by fold", profits, percent=True)),
    )
    return f"<h2>Folds</h2>{drawn}{table('', heads, rows)}"


def _interval(name: str, found: Estimate) -> tuple[str, float | None, float | None, float | None]:
    return name, found.value, found.low, found.high


def _probabilities(evidence: Evidence) -> str:
    said = [tenth.said for tenth in evidence.calibration]
    seen = [tenth.seen for tenth in evidence.calibration]
    rows = [(f"{one.events:,}", percent(one.said), percent(one.seen)) for one in evidence.calibration]
    return "<h2>Calibration</h2>" + side_by_side(
        (
            "Seen over said, by tenths of the events",
            calibration("Share won over probability said", said, seen),
        ),
        ("The same in numbers", table("", ("Events", "Said", "Seen"), rows)),
    )


def _explained(importance: tuple[Importance, ...]) -> str:
    shown = importance[:MOST_FEATURES_SHOWN]
    left_out = len(importance) - len(shown)
    more = soft(f"{left_out} features that count for less are left out.") if left_out else ""
    by_contribution = [(one.feature, one.contribution) for one in shown]
    by_gain = [(one.feature, one.gain) for one in shown]
    return "<h2>What the model goes by</h2>" + side_by_side(
        ("Mean |SHAP|, in log odds", shares("Mean absolute SHAP value by feature", by_contribution, "")),
        ("Share of gain", shares("Share of gain by feature", by_gain, "second", percent=True)),
    ) + more  # fmt: skip


def _paths(found: Combinatorial) -> str:
    heading = f"<h2>Combinatorial paths</h2>{soft(found.about[:1].upper() + found.about[1:] + '.')}"
    if not found.paths:
        return heading
    drawn = [(f"path {path.number}", path.total_net_return) for path in found.paths]
    rows = [
        (
            f"path {path.number}", f"{path.events:,}", signed(path.log_loss_gain, 5), plain(path.auc, 4),
            f"{path.trades:,}", signed_percent(path.total_net_return), signed(path.annual_ratio),
        )
        for path in found.paths
    ]  # fmt: skip
    heads = ("Path", "Events", "Gain", "AUC", "Trades", "Net", "Sharpe")
    return heading + side_by_side(
        ("Net return of each whole path", columns("Net return by path", drawn)),
        ("The same in numbers", table("", heads, rows)),
    )


def _stress(found: tuple[Stress, ...]) -> str:
    drawn = [_interval(one.name, one.mean_net_return) for one in found]
    rows = [
        (
            one.name, f"{one.trades:,}", signed_percent(one.mean_net_return.value, 3),
            signed_percent(one.total_net_return), signed(one.annual_ratio),
        )
        for one in found
    ]  # fmt: skip
    return "<h2>Stress</h2>" + side_by_side(
        ("Net return a trade", whiskers("Net return a trade under stress", drawn, percent=True)),
        ("The same in numbers", table("", ("Conditions", "Trades", "Net a trade", "Net", "Sharpe"), rows)),
    )


def _stability(slices: tuple[Slice, ...]) -> str:
    months = [(one.name, one.total_net_return) for one in slices if one.by == "month"]
    parts = [one for one in slices if one.by != "month"] + [one for one in slices if one.by == "month"]
    rows = [
        (
            f"{_SLICE_NAMES.get(one.by, one.by)} {one.name}", f"{one.events:,}", signed(one.log_loss_gain, 5),
            plain(one.auc, 4), f"{one.trades:,}", signed_percent(one.mean_net_return, 3),
            signed_percent(one.total_net_return),
        )
        for one in parts
    ]  # fmt: skip
    heads = ("Part", "Events", "Gain", "AUC", "Trades", "Net a trade", "Net")
    drawn = columns("Net return by month", months, width=960)
    return f"<h2>Stability</h2><h3>Net return by month</h3>{drawn}{table('', heads, rows)}"


def _judged(found: str, said: Mapping[str, Any], evidence: Evidence) -> str:
    canary, quality = evidence.canary, evidence.quality
    rows = [
        ("artifact", found),
        ("candles", said["data"]["candles_sha256"]),
        ("candles used", f"{quality.candles:,}, {percent(quality.missing_share)} of bars missing"),
        ("against the candles", "; ".join(quality.reasons) or "nothing"),
        ("signs of a leak", "nobody could look" if canary.leaks is None else f"{canary.leaks:,}"),
        ("labels", f"{said['label_set']}, {said['label_hash']}"),
        ("rule", said["label"]),
        ("features", f"{said['feature_set']}, {said['schema_hash']}"),
        ("configuration", said["config_hash"]),
        ("code", said["code_version"]),
        ("libraries", ", ".join(f"{name} {version}" for name, version in said["libraries"].items())),
        ("seed", said["seed"]),
    ]
    return table("What was judged", ("What", "Which"), rows, wide=True)
