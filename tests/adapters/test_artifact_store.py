import resource
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gal_friday_adapters.artifact_store import ArtifactStore
from gal_friday_adapters.locations import ObjectUrl
from gal_friday_adapters.object_store import ObjectStore
from gal_friday_core import artifact
from gal_friday_core.errors import ArtifactError, StorageError
from tests.bucket_server import forbidden, pass_on
from tests.core.model_files import model_files


@pytest.fixture(scope="module")
def files():
    return model_files()


@pytest.fixture(params=["disk", "bucket"])
def any_store(request, tmp_path):
    """What holds wherever artifacts are."""
    if request.param == "disk":
        return ArtifactStore(tmp_path / "artifacts")
    return ArtifactStore(request.getfixturevalue("bucket"))


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path / "artifacts")


def tree(root):
    if isinstance(root, ObjectUrl):
        store = ObjectStore(root)
        return {name: store.get(name).content for name in store.names("")}
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_an_artifact_comes_back_as_it_was_put(any_store, files):
    artifact_id = any_store.put(files)
    assert artifact_id == artifact.artifact_id(files)
    assert any_store.get(artifact_id) == files


def test_putting_the_same_files_again_changes_nothing(store, files):
    first = store.put(files)
    before = {path: path.stat().st_mtime_ns for path in store.root.rglob("*")}
    assert store.put(files) == first
    assert {path: path.stat().st_mtime_ns for path in store.root.rglob("*")} == before


def test_other_files_get_another_id_and_both_stay(any_store, files):
    other = model_files(seed=8)
    ids = {any_store.put(files), any_store.put(other)}
    assert len(ids) == 2
    assert [any_store.get(name) in (files, other) for name in ids] == [True, True]


def test_writers_at_the_same_time_agree_and_leave_nothing_else(store, files):
    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda _: store.put(files), range(32)))
    assert len(ids) == 1
    folder = store.folder(ids.pop())
    assert {path.parent for path in store.root.rglob("*") if path.is_file()} == {folder}


def test_writers_into_a_bucket_at_the_same_time_agree_and_leave_nothing_else(bucket, files):
    with ThreadPoolExecutor(4) as pool:
        (artifact_id,) = set(pool.map(lambda _: ArtifactStore(bucket).put(files), range(8)))
    assert set(tree(bucket)) == {f"{artifact_id[:2]}/{artifact_id}/{name}" for name in files}


def test_a_bucket_has_no_artifact_until_its_manifest_is_there(bucket, bucket_server, files):
    store, artifact_id = ArtifactStore(bucket), artifact.artifact_id(files)
    bucket_server.faults += [("PUT", pass_on)] * 2 + [("PUT", forbidden)]  # as if the writer had died there
    with pytest.raises(StorageError, match="cannot write"):
        store.put(files)
    assert len(tree(bucket)) == 2
    with pytest.raises(ArtifactError, match="not there"):
        store.get(artifact_id)
    assert store.put(files) == artifact_id
    assert store.get(artifact_id) == files


BUCKET_DAMAGE = {
    "model.ubj: altered": lambda held: {
        "model.ubj": bytes([held["model.ubj"][0] ^ 1]) + held["model.ubj"][1:]
    },
    "model.ubj: cut": lambda held: {"model.ubj": held["model.ubj"][:-1]},
    "report.json": lambda _: {
        "report.json": artifact.to_json({"verdict": {"passed": True, "reasons": ["mine"]}})
    },
    "manifest.json": lambda _: {"manifest.json": b"{}"},
    "extra.json": lambda _: {"extra.json": b"{}"},
    "code.pkl": lambda _: {"code.pkl": b"\x80\x04."},
    "more/file.json: not a plain file": lambda _: {"more/file.json": b"{}"},
}


@pytest.mark.parametrize("damage", BUCKET_DAMAGE)
def test_damage_in_a_bucket_is_refused_in_one_line_that_names_place_and_file(bucket, files, damage):
    store = ArtifactStore(bucket)
    artifact_id = store.put(files)
    for name, content in BUCKET_DAMAGE[damage](files).items():
        ObjectStore(bucket).put(f"{artifact_id[:2]}/{artifact_id}/{name}", content)
    with pytest.raises(ArtifactError, match=damage.partition(":")[0]) as caught:
        store.get(artifact_id)
    assert f"s3://{bucket.bucket}/prefix/{artifact_id[:2]}" in str(caught.value)
    assert "\n" not in str(caught.value)


def flip_a_byte(folder: Path) -> None:
    content = bytearray((folder / "model.ubj").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.ubj").write_bytes(content)


def truncate(folder: Path) -> None:
    content = (folder / "model.ubj").read_bytes()
    (folder / "model.ubj").write_bytes(content[:-1])


def append(folder: Path) -> None:
    with (folder / "model.ubj").open("ab") as file:
        file.write(b"\0")


def improve_the_verdict(folder: Path) -> None:
    (folder / "report.json").write_bytes(artifact.to_json({"verdict": {"passed": True, "reasons": ["mine"]}}))


def forge(folder: Path) -> None:
    """Alter a file and its manifest together: consistent, but no longer what the id names."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    files["report.json"] = artifact.to_json({"verdict": {"passed": True, "reasons": ["mine"]}})
    for name, content in artifact.seal(files).items():
        (folder / name).write_bytes(content)


def link(folder: Path) -> None:
    (folder / "model.ubj").rename(folder.parent / "model.ubj")
    (folder / "model.ubj").symlink_to(folder.parent / "model.ubj")


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (flip_a_byte, r"model\.ubj.*altered"),
        (truncate, r"model\.ubj.*altered"),
        (append, r"model\.ubj.*altered"),
        (improve_the_verdict, r"report\.json.*altered"),
        (forge, r"manifest\.json.*altered"),
        (link, r"model\.ubj: not a plain file"),
        (lambda folder: (folder / "model.ubj").unlink(), r"model\.ubj: missing"),
        (lambda folder: (folder / "manifest.json").unlink(), r"manifest\.json: missing"),
        (lambda folder: (folder / "manifest.json").write_bytes(b"{}"), r"manifest\.json"),
        (lambda folder: (folder / "extra.json").write_bytes(b"{}"), r"extra\.json: not in the manifest"),
        (lambda folder: (folder / "code.pkl").write_bytes(b"\x80\x04."), r"code\.pkl.*only"),
        (lambda folder: (folder / "more").mkdir(), r"more: not a plain file"),
        (lambda folder: folder.rename(folder.with_name("gone")), r"not there; restore"),
    ],
)
def test_damage_is_refused_in_one_line_that_names_place_and_file(store, files, damage, named):
    artifact_id = store.put(files)
    folder = store.folder(artifact_id)
    damage(folder)
    with pytest.raises(ArtifactError, match=named) as caught:
        store.get(artifact_id)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_damaged_artifact_is_not_overwritten_by_putting_it_again(store, files):
    artifact_id = store.put(files)
    flip_a_byte(store.folder(artifact_id))
    before = tree(store.root)
    with pytest.raises(ArtifactError, match="altered"):
        store.put(files)
    assert tree(store.root) == before


@pytest.mark.parametrize("wrong", ["", "abc", "../" * 21 + "x", "G" * 64])
def test_what_is_no_id_never_becomes_a_path(any_store, wrong):
    with pytest.raises(ArtifactError, match="no artifact id"):
        any_store.get(wrong)


def test_unsealed_files_are_refused_and_nothing_is_stored(store, files):
    with pytest.raises(ArtifactError, match="manifest"):
        store.put({name: data for name, data in files.items() if name != artifact.MANIFEST})
    assert not store.root.exists()


def test_a_disk_that_takes_no_more_stores_nothing_half(store, files):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limits[1]))
    try:
        with pytest.raises(StorageError, match="cannot write"):
            store.put(files)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert tree(store.root) == {}
    assert store.get(store.put(files)) == files


def test_a_root_that_is_a_file_is_a_storage_error(tmp_path, files):
    (tmp_path / "artifacts").write_text("occupied")
    with pytest.raises(StorageError, match="cannot write"):
        ArtifactStore(tmp_path / "artifacts").put(files)
