"""Why a trade was made, in the order in which it came about: as `explanation` tells it, for somebody who reads."""

from collections.abc import Mapping
from typing import Any

from gal_friday_live.dashboard.figures import UNKNOWN, instant, money, percent, price

Story = Mapping[str, Any]
Part = dict[str, Any]
Rows = list[list[str]]


def parts(story: Story) -> list[Part]:
    """Titles with rows of names and values; parts without a row are left out."""
    told = (
        ("Decision", _decision(story)),
        ("How much", _size(story.get("signal") or {})),
        ("Order and fills", _order(story)),
        ("Where it came from", _origin(story)),
        ("What the model saw", _features(story.get("features") or {})),
        ("Not known", [["missing", text] for text in story.get("missing", ())]),
    )
    return [{"title": title, "rows": rows} for title, rows in told if rows]


def ending(story: Story) -> list[Part]:
    """Why what was bought was sold again."""
    rows = [*_known(("Decided by", (story.get("signal") or {}).get("strategy"))), *_order(story)]
    return [{"title": "How it ended", "rows": rows}] if rows else []


def _decision(story: Story) -> Rows:
    signal, said = story.get("signal") or {}, story.get("prediction") or {}
    threshold = said.get("threshold")
    return _known(
        ("Decided on the bar that closed at", said.get("made_for") and instant(said["made_for"])),
        ("Strategy", signal.get("strategy")),
        ("Probability", _number(said.get("probability"))),
        ("Entry from", _number(threshold)),
        ("Price then", signal.get("reference_price") and price(signal["reference_price"])),
        ("Stop", signal.get("stop") and price(signal["stop"])),
        ("Target", signal.get("target") and price(signal["target"])),
        ("Verdict of the risk check", signal.get("verdict")),
    )


def _size(signal: Story) -> Rows:
    """The numbers that the verdict rests on."""
    details = signal.get("details") or {}
    rows = _known(("Quantity", signal.get("quantity") and price(signal["quantity"])))
    return rows + [[name.replace("_", " "), _short(value)] for name, value in details.items()]


def _order(story: Story) -> Rows:
    order = story.get("order") or {}
    rows = _known(
        ("Client order id", story.get("client_order_id")),
        ("The exchange's id", story.get("exchange_order_id")),
        ("Sent", story.get("sent_at") and instant(story["sent_at"])),
        ("Kind", " ".join(str(order.get(name) or "") for name in ("purpose", "side", "order_type")).strip()),
        ("Somebody else placed it", story.get("origin")),
    )
    for report in story.get("reports", ()):
        rows.append([instant(report["at"]), _report(report)])
    for fill in story.get("fills", ()):
        fee = f", fee {money(fill.get('fee'))} {fill.get('fee_asset') or ''}".rstrip()
        rows.append([instant(fill["at"]), f"filled {price(fill['quantity'])} at {price(fill['price'])}{fee}"])
    return rows


def _report(report: Story) -> str:
    error = f": {report['error_message']}" if report.get("error_message") else ""
    return f"{str(report['order_status']).replace('_', ' ').lower()}{error}"


def _origin(story: Story) -> Rows:
    model = story.get("model") or {}
    verdict = model.get("verdict") or {}
    return _known(
        ("Model", story.get("model_id")),
        ("Its validation", "; ".join(verdict.get("reasons", ())) if verdict else None),
        ("Artifact", story.get("sha256")),
        ("Training data", story.get("data_version")),
        ("Code", story.get("code_version")),
        ("Configuration", story.get("config_hash")),
        ("Feature schema", story.get("feature_schema_hash")),
    )


def _features(values: Mapping[str, float]) -> Rows:
    return [[name, _number(value)] for name, value in values.items()]


def _known(*pairs: tuple[str, Any]) -> Rows:
    return [[name, str(value)] for name, value in pairs if value not in (None, "", UNKNOWN)]


def _number(value: Any) -> str:
    if value is None:
        return UNKNOWN
    return f"{float(value):.6g}".replace("-", "−")


def _short(value: Any) -> str:
    """A quotient with all its digits says less than ten of them."""
    text = str(value)
    try:
        number = float(text)
    except ValueError:
        return text
    return text if len(text) <= 12 else f"{number:.10g}".replace("-", "−")


def share(value: Any) -> str:
    """A fraction in per cent, with its sign."""
    text = percent(value)
    return text if text == UNKNOWN or text.startswith("−") else f"+{text}"


def earned(value: Any) -> str:
    """Money with its sign."""
    text = money(value)
    return text if text == UNKNOWN or text.startswith("−") else f"+{text}"
