"""Who had a model once has it while the bucket is away: copies that are verified, bounded, and never in the way."""

import logging
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from gal_friday_adapters.artifact_store import ArtifactStore, artifacts_of
from gal_friday_adapters.kept_artifacts import KeptArtifacts
from gal_friday_adapters.locations import ObjectUrl
from gal_friday_core.config import Config, StorageConfig
from gal_friday_core.errors import ArtifactError
from gal_friday_core.storage_settings import ObjectStoreConfig
from tests.adapters.test_artifact_store import tree
from tests.core.model_files import model_files


@pytest.fixture(scope="module")
def files():
    return model_files()


@pytest.fixture
def kept(tmp_path):
    return tmp_path / "kept"


@pytest.fixture
def elsewhere(bucket, files):
    """The id of an artifact that another machine put into the bucket."""
    return ArtifactStore(bucket).put(files)


def gone(bucket):
    """The same bucket with nobody at its address."""
    reach = bucket.reach.model_copy(
        update={"endpoint_url": "http://127.0.0.1:9", "retries": 0, "connect_timeout_s": 1}
    )
    return ObjectUrl(bucket.bucket, bucket.prefix, reach)


def size(files):
    return sum(map(len, files.values()))


def test_what_was_read_once_is_there_while_the_bucket_is_away(bucket, kept, elsewhere, files):
    assert ArtifactStore(bucket, kept).get(elsewhere) == files
    assert ArtifactStore(gone(bucket), kept).get(elsewhere) == files
    with pytest.raises(ArtifactError, match=rf"artifact s3://{bucket.bucket}/.*is it up"):
        ArtifactStore(gone(bucket)).get(elsewhere)


def test_what_was_put_here_is_there_too_and_what_never_was_is_told(bucket, kept, files):
    artifact_id = ArtifactStore(bucket, kept).put(files)
    assert ArtifactStore(gone(bucket), kept).get(artifact_id) == files
    with pytest.raises(ArtifactError, match="is it up"):
        ArtifactStore(gone(bucket), kept).get("0" * 64)


def test_a_copy_is_asked_instead_of_the_bucket(bucket, bucket_server, kept, elsewhere):
    store = ArtifactStore(bucket, kept)
    store.get(elsewhere)
    asked = len(bucket_server.requests)
    store.get(elsewhere)
    assert len(bucket_server.requests) == asked


DAMAGE = {
    "altered": lambda folder: (folder / "model.ubj").write_bytes(
        b"{" + (folder / "model.ubj").read_bytes()[:-1] + b"}"
    ),
    "cut": lambda folder: (folder / "report.json").write_bytes(b"{"),
    "less": lambda folder: (folder / "manifest.json").unlink(),
    "more": lambda folder: (folder / "code.pkl").write_bytes(b"\x80\x04."),
    "another's": lambda folder: [
        (folder / name).write_bytes(held) for name, held in model_files(seed=8).items()
    ],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_copy_that_was_altered_is_never_served_and_fetched_again(bucket, kept, elsewhere, damage, caplog):
    store, files = ArtifactStore(bucket, kept), model_files()
    store.get(elsewhere)
    DAMAGE[damage](kept / elsewhere[:2] / elsewhere)
    with caplog.at_level(logging.WARNING):
        assert store.get(elsewhere) == files
    assert "it is fetched again" in caplog.text
    assert tree(kept / elsewhere[:2] / elsewhere) == files
    DAMAGE[damage](kept / elsewhere[:2] / elsewhere)
    with pytest.raises(ArtifactError, match="is it up"):
        ArtifactStore(gone(bucket), kept).get(elsewhere)


def test_there_is_room_for_so_many_bytes_and_those_used_last_stay(tmp_path):
    given = {seed: model_files(seed=seed) for seed in range(5)}
    ids = {seed: ArtifactStore(tmp_path / "all").put(files) for seed, files in given.items()}
    kept = KeptArtifacts(tmp_path / "kept", sum(size(given[seed]) for seed in (0, 3, 4)))
    for seed in range(4):
        kept.keep(f"{ids[seed][:2]}/{ids[seed]}", given[seed])
        for place, older in enumerate(ids.values()):  # times that a coarse clock would tell apart
            if (folder := tmp_path / "kept" / older[:2] / older).exists():
                os.utime(folder, (place, place))
        assert kept.get(ids[0], f"{ids[0][:2]}/{ids[0]}") == given[0]
    kept.keep(f"{ids[4][:2]}/{ids[4]}", given[4])
    assert {seed for seed, one in ids.items() if kept.get(one, f"{one[:2]}/{one}") is not None} == {0, 3, 4}
    assert sum(map(len, tree(tmp_path / "kept").values())) <= sum(size(given[seed]) for seed in (0, 3, 4))


def test_one_that_is_larger_than_the_room_is_not_kept(tmp_path, files):
    kept = KeptArtifacts(tmp_path / "kept", size(files) - 1)
    kept.keep("00/0", files)
    assert not (tmp_path / "kept").exists()


def test_what_a_killed_process_left_half_is_cleared_away(tmp_path, bucket, elsewhere, files):
    for left in (".incoming-1", ".outgoing-2"):
        (tmp_path / "kept" / left).mkdir(parents=True)
        (tmp_path / "kept" / left / "model.ubj").write_bytes(b"{half")
    ArtifactStore(bucket, tmp_path / "kept").get(elsewhere)
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == [".lock", elsewhere[:2]]


def test_a_disk_that_refuses_costs_the_copy_and_nothing_else(bucket, tmp_path, elsewhere, files, caplog):
    (tmp_path / "kept").write_text("occupied")
    with caplog.at_level(logging.WARNING):
        assert ArtifactStore(bucket, tmp_path / "kept").get(elsewhere) == files
    assert "no copies of models are kept" in caplog.text


def test_many_at_once_get_what_they_ask_for(bucket, kept):
    given = [model_files(seed=seed) for seed in range(4)]
    ids = [ArtifactStore(bucket).put(files) for files in given]
    reach = bucket.reach.model_copy(update={"keep_models_mb": 1})
    stores = [ArtifactStore(ObjectUrl(bucket.bucket, bucket.prefix, reach), kept) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda place: stores[place % 4].get(ids[place % 3]), range(24))
        assert [files == given[place % 3] for place, files in enumerate(found)] == [True] * 24


def test_the_configuration_says_how_much_and_a_store_on_a_disk_needs_none(
    bucket, tmp_path, elsewhere, files, monkeypatch
):
    monkeypatch.setenv("GAL_FRIDAY_DATA_DIR", str(tmp_path))
    place = {"artifacts": str(bucket)}

    def config(**storage):
        reach = ObjectStoreConfig(endpoint_url=bucket.reach.endpoint_url, **storage)
        return Config(storage=StorageConfig(**place), object_store=reach)

    artifacts_of(config(keep_models_mb=0)).get(elsewhere)
    assert not (tmp_path / "kept-artifacts").exists()
    artifacts_of(config()).get(elsewhere)
    assert len(tree(tmp_path / "kept-artifacts")) == len(files) + 1
    place["artifacts"] = str(tmp_path / "artifacts")
    own = artifacts_of(config())
    assert own.get(own.put(model_files(seed=3))) == model_files(seed=3)
    assert len(tree(tmp_path / "kept-artifacts")) == len(files) + 1
