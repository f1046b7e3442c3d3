"""A model artifact: a few named files under a manifest of their sha256, and nothing that can run code.

`seal` adds the manifest, `artifact_id` names the whole by its content, `verify` refuses anything altered.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from gal_friday_core.errors import ArtifactError

MANIFEST = "manifest.json"
MODEL = "model.ubj"
LINEAR_MODEL = "model.json"
MODELS = (MODEL, LINEAR_MODEL)
"""The forms a model may have; an artifact holds exactly one."""
CALIBRATION = "calibration.json"
FEATURES = "features.json"
METADATA = "metadata.json"
REPORT = "report.json"
EVIDENCE = "evidence.json"
REQUIRED = (CALIBRATION, FEATURES, METADATA, REPORT)
"""What every artifact contains beside its model and its manifest."""

MAX_FILES = 16
MAX_JSON_BYTES = 16 * 1024**2
MAX_MODEL_BYTES = 256 * 1024**2

_EXECUTABLE_MAGIC = {
    b"PK\x03\x04": "a ZIP archive",
    b"PK\x05\x06": "a ZIP archive",
    b"\x1f\x8b": "a gzip file",
    b"\x80\x02": "a pickle",
    b"\x80\x03": "a pickle",
    b"\x80\x04": "a pickle",
    b"\x80\x05": "a pickle",
    b"\x93NUMPY": "a NumPy file, which may hold a pickle",
    b"\x89HDF": "an HDF5 file",
    b"\x7fELF": "a program",
    b"MZ": "a program",
}


def to_json(value: Any) -> bytes:
    r"""The one JSON form of an artifact: sorted keys, UTF-8, no NaN, so that equal values are equal bytes.

    >>> to_json({"b": 1, "a": 0.1})
    b'{\n "a": 0.1,\n "b": 1\n}\n'
    """
    return (json.dumps(value, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()


def from_json(name: str, content: bytes) -> Any:
    """Read one JSON file of an artifact. Raises ArtifactError that names it."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(
            f"{name}: not JSON ({error}); register the model again from its training"
        ) from None


def seal(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The same files, checked, with their manifest."""
    content = {name: files[name] for name in sorted(files) if name != MANIFEST}
    for name, data in content.items():
        _check_file(name, data)
    return {**content, MANIFEST: _manifest(content)}


def artifact_id(files: Mapping[str, bytes]) -> str:
    """sha256 of the manifest's bytes, and so of everything it lists. `files` as `seal` returns them."""
    return hashlib.sha256(_of(files, MANIFEST)).hexdigest()


def model_file(files: Mapping[str, bytes]) -> str:
    """Which of `MODELS` the artifact holds. Raises ArtifactError unless it is exactly one."""
    found = [name for name in MODELS if name in files]
    if not found:
        _of(files, MODEL)
    if len(found) > 1:
        raise ArtifactError(f"{' and '.join(found)}: an artifact holds one model; register it again")
    return found[0]


def verify(files: Mapping[str, bytes], expected_id: str | None = None) -> str:
    """The id of an untouched artifact.

    Raises ArtifactError for a missing, extra, altered or forbidden file, naming it.
    """
    if len(files) > MAX_FILES:
        raise ArtifactError(f"an artifact of {len(files)} files: at most {MAX_FILES} are allowed")
    for name, data in files.items():
        _check_file(name, data)
    for name in REQUIRED:
        _of(files, name)
    model_file(files)
    found = artifact_id(files)
    if expected_id is not None and found != expected_id:
        raise ArtifactError(
            f"{MANIFEST}: content is {found[:12]}…, expected {expected_id[:12]}…: "
            "the artifact was altered; restore it or register the model again"
        )
    _check_manifest(files)
    return found


def _manifest(files: Mapping[str, bytes]) -> bytes:
    listing = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)} for name, data in files.items()
    }
    return to_json({"files": listing, "format": 1})


def _check_manifest(files: Mapping[str, bytes]) -> None:
    """Compare file by file first, so that the message names the one that differs."""
    manifest = from_json(MANIFEST, files[MANIFEST])
    listed = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(listed, dict):
        raise ArtifactError(f"{MANIFEST}: lists no files; register the model again")
    content = {name: data for name, data in sorted(files.items()) if name != MANIFEST}
    for name in sorted(listed.keys() ^ content.keys()):
        fate = "missing" if name in listed else "not in the manifest"
        raise ArtifactError(f"{name}: {fate}; restore the artifact or register the model again")
    for name, data in content.items():
        if listed[name] != {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}:
            raise ArtifactError(
                f"{name}: sha256 differs from the manifest: the file was altered; "
                "restore it or register the model again"
            )
    if files[MANIFEST] != _manifest(content):
        raise ArtifactError(f"{MANIFEST}: not in its canonical form; register the model again")


def _check_file(name: str, data: bytes) -> None:
    stem, dot, extension = name.rpartition(".")
    plain = stem.replace("_", "").isalnum() and stem.isascii()
    if not (dot and plain and extension in ("json", "ubj")):
        raise ArtifactError(f"{name!r}: an artifact holds only .json and .ubj files with plain names")
    limit = MAX_JSON_BYTES if extension == "json" else MAX_MODEL_BYTES
    if len(data) > limit:
        raise ArtifactError(f"{name}: {len(data):,} bytes, more than the {limit:,} allowed")
    for magic, kind in _EXECUTABLE_MAGIC.items():
        if data.startswith(magic):
            raise ArtifactError(f"{name}: is {kind}, which may carry code: refused")
    if not data.startswith(b"{"):
        raise ArtifactError(f"{name}: does not begin as {extension} should (an object, '{{')")


def _of(files: Mapping[str, bytes], name: str) -> bytes:
    try:
        return files[name]
    except KeyError:
        raise ArtifactError(
            f"{name}: missing from the artifact; restore it or register the model again"
        ) from None
