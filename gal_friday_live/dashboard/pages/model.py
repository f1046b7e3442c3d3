"""Models: which stands where, what its certificate says, whether its word holds, how it drifts, and who else is tried."""

from collections.abc import Mapping, Sequence
from math import fsum
from typing import Any
from urllib.parse import urlencode

from gal_friday_core.errors import ArtifactError, DataError, RegistryError
from gal_friday_core.times import to_iso
from gal_friday_live.dashboard import model_figures
from gal_friday_live.dashboard.figures import UNKNOWN, instant, percent
from gal_friday_live.dashboard.markup import Html, join, tag
from gal_friday_live.dashboard.models import Models
from gal_friday_live.dashboard.one_account import ALPHA
from gal_friday_live.dashboard.pages.page import Page
from gal_friday_live.dashboard.pages.trading import NO_DATABASE
from gal_friday_live.dashboard.prose import prose
from gal_friday_live.dashboard.roles import missing
from gal_friday_live.dashboard.view import View
from gal_friday_live.dashboard.widgets import (
    Tone,
    badge,
    card,
    chart,
    empty,
    expand,
    figures,
    note,
    rows,
    table,
)

NO_MODEL = "No model yet. `gal-friday up` trains one; Dagster's job does it again whenever you like."
STAGES = ("production", "staging", "development", "archived")
STAGE_TONES: dict[str, Tone] = {"production": "good", "staging": "warn"}
SIGNS = {"above": ">", "at_least": "≥", "below": "<", "at_most": "≤", "equal": "="}
GATES = {
    "psr": "Sharpe above zero (PSR)", "dsr": "Sharpe beyond luck (DSR)", "pbo": "Not overfitted (PBO)",
    "min_track_record": "Record long enough", "log_loss_gain": "Says more than the base rate",
    "net_profit": "Earns more than it costs", "trades": "Trades enough to judge", "beats_production": "Beats production",
    "stress_costs": "Earns at double costs", "stress_latency": "Earns one bar late", "leakage_canary": "No leak",
    "serving_parity": "Serves the same bits", "replay_parity": "Replays the same bits", "artifact_hash": "Unaltered",
    "calibration_error": "Calibrated", "data_quality": "Sound data",
}  # fmt: skip
"""As a person asks them; the certificate's own names stand in its JSON."""
MOST_VERSIONS = 40
MOST_EXPERIMENTS = 3
MOST_ROWS = 20

Found = Mapping[str, Any]


async def render(view: View) -> Html:
    """All versions, and one of them in full: the one in production where none is asked for."""
    if view.database is None:
        return empty(prose(NO_DATABASE))
    models = Models(view, view.database)
    versions = await models.versions()
    one = chosen(view, versions)
    if one is None:
        return empty(prose(NO_MODEL))
    about = await models.registry.get_model_metadata(one["model_id"])
    production = next(
        (
            each
            for each in versions
            if each["stage"] == "production" and each["model_type"] == one["model_type"]
        ),
        None,
    )
    return join(
        _serving(view, production),
        card("Versions", _versions(versions, one), wide=True, note="Choose one to see all of it below."),
        _one(about),
        _certificate(about),
        _calibration(about),
        _drift(await models.findings()),
        _retrainings(await models.retrainings()),
        _shadows(versions, production),
        _experiments(await models.experiments(MOST_EXPERIMENTS)),
    )


def chosen(view: View, versions: Sequence[Found]) -> Found | None:
    """The one that the address names, else the one in production, else the newest."""
    wanted = view.query.get("model")
    named = next((one for one in versions if one["model_id"] == wanted), None)
    serving = next((one for one in versions if one["stage"] == "production"), None)
    return named or serving or (versions[0] if versions else None)


async def calibration(view: View) -> Any:
    """The chart of `model`."""
    if view.database is None:
        return {"empty": NO_DATABASE}
    try:
        return model_figures.calibration(
            await Models(view, view.database).calibration(view.query.get("model", ""))
        )
    except (ArtifactError, RegistryError) as error:
        return {"empty": str(error)}


async def drift(view: View) -> Any:
    """The chart of what drifted when."""
    if view.database is None:
        return {"empty": NO_DATABASE}
    return model_figures.findings(await Models(view, view.database).findings())


async def pairs(view: View) -> Any:
    """The chart of `control` and `other` on the same bars."""
    if view.database is None:
        return {"empty": NO_DATABASE}
    control, other = view.query.get("control", ""), view.query.get("other", "")
    try:
        found = await Models(view, view.database).pairs(control, other)
    except (DataError, RegistryError) as error:
        return {"empty": str(error)}
    return model_figures.pairs(found, control, other)


async def shadow(view: View) -> Any:
    """What the two said, and what became of it, in numbers."""
    if view.database is None:
        return {"parts": []}
    control, other = view.query.get("control", ""), view.query.get("other", "")
    models = Models(view, view.database)
    try:
        said = _said(await models.pairs(control, other))
    except (DataError, RegistryError) as error:
        return {"parts": [{"title": "Not known", "rows": [["", str(error)]]}]}
    try:
        outcome = _outcome(await models.outcome(control, other))
    except (ArtifactError, DataError, RegistryError) as error:
        outcome = [["Not known yet", str(error)]]
    return {"parts": [{"title": "What they said in the last seven days", "rows": said},
                      {"title": "What became of it", "rows": outcome}]}  # fmt: skip


async def experiment(view: View) -> Any:
    """The chart of a challenger of an experiment: `experiment` and `variant`."""
    if view.database is None:
        return {"empty": NO_DATABASE}
    try:
        curve, unit = await Models(view, view.database).curve(
            view.query.get("experiment", ""), view.query.get("variant", "")
        )
    except (DataError, RegistryError) as error:
        return {"empty": str(error)}
    return model_figures.difference(curve, unit)


def _serving(view: View, production: Found | None) -> Html | None:
    """What the engine trades by, where that is not what one would think, or nobody says it."""
    if (unheard := missing(view.reading.metrics, ALPHA)) is not None:
        return note(unheard, " Which of these trades is not known here.", tone="warn")
    override = (view.reading.metrics.get("engine") or {}).get("override") if view.reading.live else None
    if override:
        return note(
            f"The engine trades a model that its gates refused, under a named override: {override}",
            tone="warn",
        )
    if production is None:
        return note(
            tag(
                "span",
                prose(
                    "No model is in production, so nothing is bought by one. Below stands why each was refused; "
                    "more history or another configuration may train a better one: `gal-friday up --history FILE`."
                ),
            ),
            tone="warn",
        )
    return None


def _versions(versions: Sequence[Found], one: Found) -> Html:
    order = sorted(versions, key=lambda each: STAGES.index(each["stage"]))
    shown = [_version(each, is_chosen=each is one) for each in order[:MOST_VERSIONS]]
    names = (
        "Model",
        "Stage",
        "Certified",
        "Walk-forward",
        "Gain on base rate",
        "AUC",
        "Net a trade",
        "Trades",
        "Drift",
        "Made",
    )
    told = table(names, shown, caption="Versions by stage", empty=prose(NO_MODEL), numeric=range(4, 8))
    more = len(order) - len(shown)
    return join(
        told, tag("p", prose(f"{more:,} more: `gal-friday models list`."), class_="soft") if more else None
    )


def _version(one: Found, *, is_chosen: bool) -> tuple[Any, ...]:
    metrics, held = one["metrics"], one["restriction"]
    link = tag(
        "a", one["model_id"], href=f"/model?{urlencode({'model': one['model_id']})}",
        aria_current="true" if is_chosen else None,
    )  # fmt: skip
    verdict = one["verdict"]
    return (
        link, badge(one["stage"], STAGE_TONES.get(one["stage"], "")), _passed(one["certified"], "yes", "no"),
        tag("span", _passed(verdict["passed"], "passed", "refused"), title="; ".join(verdict["reasons"])),
        _plain(metrics.get("log_loss_gain"), "+.5f"), _plain(metrics.get("auc"), ".3f"),
        _plain(metrics.get("mean_net_return"), "+.3%"), _plain(metrics.get("trades"), ",.0f"),
        "" if held is None else badge(_word(held["step"]), "warn"), instant(one["created_at"])[:16],
    )  # fmt: skip


def _one(about: Found) -> Html:
    metadata, verdict = about["metadata"], about["verdict"]
    data = metadata.get("data") or {}
    told = rows([
        ("Stage", badge(about["stage"], STAGE_TONES.get(about["stage"], ""))),
        ("Series", metadata.get("series") or about["model_type"]),
        ("Buys from", percent(metadata.get("entry_threshold"))),
        ("Learnt from", f"{_time(data.get('first_ns'))} to {_time(data.get('last_ns'))}" if data.get("first_ns") else UNKNOWN),
        ("Made", instant(about["created_at"])),
        ("Artifact", tag("code", about["artifact"][:16], title=about["artifact"])),
        ("Data", tag("code", str(about["data_version"])[:16], title=about["data_version"])),
        ("Code", tag("code", about["code_version"])),
        ("Feature schema", tag("code", about["schema_hash"][:16], title=about["schema_hash"])),
    ])  # fmt: skip
    reasons = tag("ul", [tag("li", reason) for reason in verdict["reasons"]])
    events = [
        (
            instant(event["ts"])[:16], f"{event['previous_stage'] or 'new'} → {event['stage']}", event["actor"],
            join(badge("override", "warn") if event["override"] else None, event["reason"]),
        )
        for event in about["history"][::-1][:MOST_ROWS]
    ]  # fmt: skip
    story = table(
        ("When", "Stage", "By", "Why"),
        events,
        caption="Changes of stage",
        empty="It never left its first stage.",
    )
    title = f"{about['model_id']}"
    return card(title, told, tag("h3", "Walk-forward: ", _passed(verdict["passed"], "passed", "refused")), reasons,
                tag("h3", "Changes of stage"), story, wide=True)  # fmt: skip


def _certificate(about: Found) -> Html:
    told = about["certificate"]
    if told is None:
        return card("Certificate", empty(prose(
            "It has none: nobody measured this version against the one in production. "
            f"`gal-friday models certify {about['model_id']}` does."
        )), wide=True)  # fmt: skip
    if not told["verified"]:
        return card("Certificate", note(told["problem"], tone="bad"), wide=True)
    shown = [
        (
            GATES.get(gate["name"], _word(gate["name"])), _number(gate["value"]),
            "" if gate["limit"] is None else f"{SIGNS[gate['comparison']]} {_number(gate['limit'])}",
            _passed(gate["passed"], "passed", "failed"), gate["about"],
        )
        for gate in told["gates"]
    ]  # fmt: skip
    held = sum(bool(gate["passed"]) for gate in told["gates"])
    head = figures([
        ("Verdict", _passed(told["passed"], "passed", "refused"), f"{held} of {len(told['gates'])} gates"),
        ("Configurations tried", f"{told['trials']:,}", "until this one was chosen"),
        ("Measured against", told["incumbent"] or "nothing", "in production then"),
        ("Signed by", tag("code", told["key"][:12], title=told["key"]), "signature verified"),
    ])  # fmt: skip
    drawn = table(
        ("Gate", "Value", "Must be", "Verdict", "In words"), shown, caption="Gates", empty="", numeric=(1, 2)
    )
    return card("Certificate", head, drawn, wide=True)


def _calibration(about: Found) -> Html:
    label = "Calibration: the share that won, by what the model had said. Near the dashed line its word can be taken."
    drawn = chart(
        "model", "calibration", label=label, height=320, query=urlencode({"model": about["model_id"]})
    )
    note_ = "Out of sample, each point a tenth of the tested events; the whiskers hold what chance alone does in 95 of 100 cases."
    return card("Does its word hold?", drawn, wide=True, note=note_)


def _drift(found: Sequence[Found]) -> Html:
    if not found:
        return card("Drift", empty(prose(
            "No drift beyond a threshold is on record. Dagster's `drift_report` looks once a day at the model in production."
        )), wide=True)  # fmt: skip
    shown = [
        (
            instant(row["at"])[:16], row["model_id"], model_figures.kind_of(row["drift_type"]),
            badge(row["severity"].lower(), "bad" if row["severity"] in ("HIGH", "CRITICAL") else "warn"),
            percent(row["confidence"]), _word(row["step"]), row["reason"],
        )
        for row in found[:MOST_ROWS]
    ]  # fmt: skip
    names = ("When", "Model", "What", "Severity", "Confidence", "Then", "In words")
    drawn = chart(
        "model", "drift", label="Findings of drift over time; the table below has the same.", height=240
    )
    told = table(names, shown, caption="Findings of drift", empty="", numeric=(4,))
    return card("Drift", drawn, told, wide=True)


def _retrainings(found: Sequence[Found]) -> Html:
    shown = [
        (
            instant(one["requested"])[:16], one["model_id"], one["cause"], _word(one["state"]), one["successor"] or "",
            one["reason"],
        )
        for one in found[:MOST_ROWS]
    ]  # fmt: skip
    nothing = (
        "No model was trained again yet: drift, age or new data ask for it, or `gal-friday retraining ask`."
    )
    names = ("Asked", "Model", "Cause", "State", "Successor", "Why")
    return card("Trained again", table(names, shown, caption="Retrainings", empty=prose(nothing)), wide=True)


def _shadows(versions: Sequence[Found], production: Found | None) -> Html:
    staged = [] if production is None else [
        one for one in versions if one["stage"] == "staging" and one["model_type"] == production["model_type"]
    ]  # fmt: skip
    if production is None or not staged:
        return card("Shadow against production", empty(prose(
            "No model runs in the shadow. One in stage staging scores every bar beside production and trades nothing: "
            "`gal-friday models promote MODEL --stage staging`."
        )), wide=True)  # fmt: skip
    parts = []
    for one in staged[:MOST_EXPERIMENTS]:
        query = urlencode({"control": production["model_id"], "other": one["model_id"]})
        label = f"What {one['model_id']} said of each bar, against {production['model_id']}, in the last seven days."
        parts += [
            tag("h3", one["model_id"]),
            chart("model", "pairs", label=label, height=320, query=query),
            expand("The same in numbers, and what became of it", f"/data/model/shadow?{query}"),
        ]
    about = "Both on the same bars. Beyond a dotted line a model would have bought."
    return card("Shadow against production", *parts, wide=True, note=about)


def _experiments(found: Sequence[Found]) -> Html:
    if not found:
        return card("Experiments", empty(prose(
            "No experiment yet. `gal-friday experiments create` compares models on live bars, and you may look as often as you like."
        )), wide=True)  # fmt: skip
    return card(
        "Experiments", *(_experiment(one) for one in found), wide=True,
        note="Bands are confidence sequences: they hold at every moment at once, so that looking often makes no more errors.",
    )  # fmt: skip


def _experiment(one: Found) -> Html:
    state: Tone = "good" if one["state"] == "RUNNING" else ""
    shown = [
        (
            each["variant"], each["model_id"], _number(each["difference"]), f"{_number(each['low'])} to {_number(each['high'])}",
            _number(each["p_value"]), _word(each["verdict"]),
        )
        for each in one["comparisons"]
    ]  # fmt: skip
    names = ("Challenger", "Model", "Difference", "Interval", "p at any time", "Verdict")
    drawn = [
        chart("model", "experiment", height=240, label=f"{each['variant']} less control, with its confidence sequence.",
              query=urlencode({"experiment": one["experiment_id"], "variant": each["variant"]}))
        for each in one["comparisons"]
    ]  # fmt: skip
    return join(
        tag("h3", one["name"], " ", badge(_word(one["state"]), state), f" {one['mode']}, {one['series']}"),
        tag("p", one["said"]),
        [note(f"{alarm['code']}: {alarm['text']}", tone="bad") for alarm in one["alarms"]],
        table(names, shown, caption=f"{one['name']} against its control", empty="", numeric=(2, 4))
        if shown
        else None,
        drawn,
    )


def _said(found: Sequence[Any]) -> list[list[str]]:
    """How much two models agree on the same bars."""
    if not found:
        return [["Bars that both scored", "none yet"]]
    both = [one for one in found if one.control_from is not None and one.other_from is not None]
    ours = [bool(one.control >= one.control_from) for one in both]
    theirs = [bool(one.other >= one.other_from) for one in both]
    count = len(found)
    told = [
        ["Bars that both scored", f"{count:,}"],
        ["Mean probability, production", percent(fsum(one.control for one in found) / count)],
        ["Mean probability, shadow", percent(fsum(one.other for one in found) / count)],
    ]
    if both:
        told += [
            ["Both would have bought", f"{sum(a and b for a, b in zip(ours, theirs, strict=True)):,}"],
            [
                "Only production would have",
                f"{sum(a and not b for a, b in zip(ours, theirs, strict=True)):,}",
            ],
            [
                "Only the shadow would have",
                f"{sum(b and not a for a, b in zip(ours, theirs, strict=True)):,}",
            ],
        ]
    return told


def _outcome(found: Found) -> list[list[str]]:
    gain = found["gain"]
    return [
        ["Days", f"{found['days']:.1f}"],
        ["Predictions with an outcome", f"{found['predictions']:,}"],
        ["Of them apart in time", f"{found['labels']:,}"],
        ["Log loss saved by the shadow", UNKNOWN if gain is None else _plain(gain, "+.5f")],
        ["In words", found["reason"]],
    ]


def _passed(passed: bool, yes: str, no: str) -> Html:
    return tag("span", f"✓\u00a0{yes}" if passed else f"✕\u00a0{no}", class_="good" if passed else "bad")


def _number(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.5g}".replace("-", "−")


def _plain(value: float | None, form: str) -> str:
    return UNKNOWN if value is None else format(value, form).replace("-", "−")


def _time(ns: Any) -> str:
    return UNKNOWN if ns is None else instant(to_iso(int(ns)))[:16]


def _word(name: str) -> str:
    return name.replace("_", " ").lower()


PAGE = Page(
    name="model", title="Models", render=render,
    data={"calibration": calibration, "drift": drift, "pairs": pairs, "shadow": shadow, "experiment": experiment},
)  # fmt: skip
