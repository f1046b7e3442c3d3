"""The validation page: whole, self-contained, escaped, the same twice, and readable where little is known."""

import re
from dataclasses import dataclass

import msgspec
import pytest

from gal_friday_adapters.validation_page import render
from gal_friday_core import artifact
from gal_friday_core.certificate import GATES, Gate
from gal_friday_core.errors import ArtifactError
from gal_friday_core.evidence.report import Evidence
from gal_friday_core.gates import Outside, certify
from gal_friday_core.resampling import UNKNOWN
from gal_friday_core.training import train
from tests.adapters.test_report_page import read
from tests.core.evidence.momentum_market import CONFIG, market

HEADINGS = (
    "Gates", "Net equity by fold", "Folds", "Calibration", "What the model goes by", "Combinatorial paths",
    "Stress", "Stability", "What was judged",
)  # fmt: skip


@dataclass(frozen=True)
class Judged:
    files: dict
    certificate: object


@pytest.fixture(scope="module")
def judged():
    config = CONFIG.model_copy(update={"training": CONFIG.training.model_copy(update={"trees": 10})})
    files = train(*market(4_000), config, code_version="abc123").files
    return Judged(files, certify(files, CONFIG.gates, Outside()))


@pytest.fixture(scope="module")
def page(judged):
    return render(judged.files, judged.certificate)


def resealed(files, **changes):
    """The same with other evidence."""
    evidence = msgspec.structs.replace(Evidence.from_bytes(files[artifact.EVIDENCE]), **changes)
    others = {name: content for name, content in files.items() if name != artifact.MANIFEST}
    return artifact.seal(others | {artifact.EVIDENCE: evidence.to_bytes()})


def text_of(page):
    return " ".join(read(page).text)


def test_page_shows_every_part(page):
    text = text_of(page)
    for heading in HEADINGS:
        assert heading in text
    assert page.count("<svg") == 9
    assert page.count('class="band"') == CONFIG.training.folds
    assert len(re.findall(r"fold \d</text>", page)) == 3 * CONFIG.training.folds
    assert "path 5" in text
    assert "costs doubled" in text


def test_page_shows_every_gate_with_its_words_and_verdict(judged, page):
    text = text_of(page)
    for gate in judged.certificate.gates:
        assert gate.name in text
        assert gate.about in text
    asked = [gate for gate in judged.certificate.gates if gate.limit is not None]
    failed = [gate for gate in asked if not gate.passed]
    assert page.count('<td class="gain">passed') == len(asked) - len(failed)
    assert page.count('<td class="lost">failed') == len(failed) > 0
    assert f"Refused: {len(failed)} of {len(GATES)} gates failed" in text


def test_page_of_a_passed_certificate_says_so(judged):
    gates = tuple(Gate.of(name, 0.0, "equal", 0.0, "fine") for name in GATES)
    passed = msgspec.structs.replace(judged.certificate, gates=gates, passed=True)
    assert "Certified: all 16 gates passed." in text_of(render(judged.files, passed))


def test_page_before_certification_says_that_the_gates_were_not_asked(judged):
    text = text_of(render(judged.files))
    assert "Not certified yet" in text
    assert "Demanded" not in text


def test_the_same_files_give_the_same_page(judged, page):
    assert render(dict(reversed(judged.files.items())), judged.certificate) == page


def test_page_asks_the_network_for_nothing(page):
    assert "<script" not in page
    assert re.findall(r"(?:src|href|url\()", page) == []
    assert "://" not in page


def test_drawings_stay_inside_their_pictures(page):
    for picture in re.findall(r"<svg.*?</svg>", page):
        width, height = map(int, re.search(r'viewBox="0 0 (\d+) (\d+)"', picture).groups())
        corners = [tuple(map(float, point.split(","))) for points in re.findall(r'points="([^"]+)"', picture)
                   for point in points.split()]  # fmt: skip
        corners += [tuple(map(float, at)) for at in re.findall(r'cx="([^"]+)" cy="([^"]+)"', picture)]
        boxes = re.findall(r'<rect.*? x="([^"]+)" y="([^"]+)" width="([^"]+)" height="([^"]+)"', picture)
        for x, y, wide, high in (map(float, box) for box in boxes):
            corners += [(x, y), (x + wide, y + high)]
        assert corners
        for x, y in corners:
            assert 0 <= x <= width
            assert 0 <= y <= height


def test_foreign_text_is_escaped(judged):
    evil = '<img src=x onerror="alert(1)">'
    evidence = Evidence.from_bytes(judged.files[artifact.EVIDENCE])
    quality = msgspec.structs.replace(evidence.quality, reasons=(evil,))
    importance = (msgspec.structs.replace(evidence.importance[0], feature=evil),)
    page = render(resealed(judged.files, quality=quality, importance=importance))
    assert "<img" not in page
    assert text_of(page).count(evil) == 3


def test_a_model_that_never_traded_is_readable(judged):
    evidence = Evidence.from_bytes(judged.files[artifact.EVIDENCE])
    idle = tuple(msgspec.structs.replace(day, trades=0, net_return=0.0) for day in evidence.days)
    page = render(
        resealed(
            judged.files,
            days=idle,
            stress=tuple(
                msgspec.structs.replace(one, trades=0, mean_net_return=UNKNOWN, total_net_return=0.0)
                for one in evidence.stress
            ),
            combinatorial=msgspec.structs.replace(
                evidence.combinatorial, paths=(), losing_paths=None, about="too little history"
            ),
            slices=tuple(
                msgspec.structs.replace(one, trades=0, mean_net_return=None, total_net_return=0.0)
                for one in evidence.slices
            ),
        )
    )
    text = text_of(page)
    assert "Too little history." in text
    assert "No trade out of sample" in text
    assert not re.search(r"\b(nan|inf|None)\b", text)


def test_altered_files_have_no_page(judged):
    altered = judged.files | {artifact.EVIDENCE: judged.files[artifact.EVIDENCE] + b" "}
    with pytest.raises(ArtifactError, match="evidence"):
        render(altered)
