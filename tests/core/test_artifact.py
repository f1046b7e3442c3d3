"""An artifact is what its manifest says, or it is refused by the name of the file that is not."""

import gzip
import io
import json
import pickle
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gal_friday_core import artifact
from gal_friday_core.artifact import artifact_id, seal, verify
from gal_friday_core.errors import ArtifactError

FILES = dict.fromkeys((*artifact.REQUIRED, artifact.MODEL), b"{}")


def test_sealing_twice_gives_the_same_id_whatever_the_order():
    backwards = dict(reversed(FILES.items()))
    assert seal(FILES) == seal(backwards) == seal(seal(FILES))
    assert verify(seal(FILES)) == artifact_id(seal(backwards))


def test_the_id_changes_with_any_byte():
    assert artifact_id(seal(FILES)) != artifact_id(seal({**FILES, artifact.REPORT: b"{ }"}))


def test_another_id_than_expected_is_refused():
    with pytest.raises(ArtifactError, match="expected 000000000000"):
        verify(seal(FILES), "0" * 64)


@given(st.sampled_from(artifact.REQUIRED), st.binary(min_size=1, max_size=20))
def test_any_change_of_a_file_is_refused_by_name(name, tail):
    changed = {**seal(FILES), name: b"{}" + tail}
    with pytest.raises(ArtifactError, match=name):
        verify(changed)


def test_missing_and_extra_files_are_refused_by_name():
    sealed = seal(FILES)
    with pytest.raises(ArtifactError, match=r"model\.ubj: missing"):
        verify({name: data for name, data in sealed.items() if name != artifact.MODEL})
    with pytest.raises(ArtifactError, match=r"manifest\.json: missing"):
        verify(FILES)
    with pytest.raises(ArtifactError, match=r"more\.json: not in the manifest"):
        verify({**sealed, "more.json": b"{}"})
    listed_only = seal({**FILES, "more.json": b"{}"})
    del listed_only["more.json"]
    with pytest.raises(ArtifactError, match=r"more\.json: missing"):
        verify(listed_only)


@pytest.mark.parametrize("text", [b"{", b"{}", b'{"files": 1}', b"[]", b"{\xff}", b"{" * 100_000])
def test_a_damaged_manifest_is_refused(text):
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        verify({**seal(FILES), artifact.MANIFEST: text})


def test_a_manifest_in_another_form_is_refused():
    sealed = seal(FILES)
    compact = json.dumps(json.loads(sealed[artifact.MANIFEST])).encode()
    with pytest.raises(ArtifactError, match="canonical"):
        verify({**sealed, artifact.MANIFEST: compact})


def zipped():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x", "y")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        *((pickle.dumps({"a": 1}, protocol), "pickle") for protocol in (2, 3, 4, 5)),
        (pickle.dumps({"a": 1}, 0), "does not begin"), (zipped(), "ZIP"), (gzip.compress(b"{}", mtime=0), "gzip"),
        (b"\x7fELF\x02", "program"), (b"", "does not begin"), (b"[1]", "does not begin"),
    ],
)  # fmt: skip
def test_what_may_carry_code_is_refused(data, kind):
    with pytest.raises(ArtifactError, match=rf"model\.ubj.*{kind}"):
        seal({**FILES, artifact.MODEL: data})


@pytest.mark.parametrize(
    "name", ["model.pkl", "../model.json", "a/b.json", "model", ".json", "é.json", "a b.json", "x.json.so"]
)
def test_other_names_are_refused(name):
    with pytest.raises(ArtifactError, match="plain names"):
        seal({**FILES, name: b"{}"})


def test_size_and_number_are_limited(monkeypatch):
    with pytest.raises(ArtifactError, match="at most 16"):
        verify({f"f{number}.json": b"{}" for number in range(17)})
    monkeypatch.setattr(artifact, "MAX_JSON_BYTES", 10)
    with pytest.raises(ArtifactError, match=r"more\.json: 11 bytes, more than the 10"):
        seal({"more.json": b'{"a": 1234}'})


def test_equal_values_are_equal_bytes_and_nan_is_refused():
    assert artifact.to_json({"b": 0.1, "a": [1, None]}) == artifact.to_json({"a": [1, None], "b": 0.1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        artifact.to_json({"a": float("nan")})
