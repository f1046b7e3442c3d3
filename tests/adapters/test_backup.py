import stat
import tarfile

import pytest

from gal_friday_adapters.backup import Source, Target, contents, restore, write
from gal_friday_adapters.backup.archive import MANIFEST
from gal_friday_adapters.postgres import migrate
from gal_friday_adapters.postgres.connect import connect, ensure_database, with_database, without_password
from gal_friday_core.errors import ConfigError, DataError, StorageError

NOW_NS = 1_700_000_000 * 10**9
ROWS = "insert into artifact (sha256, size) values (%s, %s)"
TABLES = """
select table_name, column_name, data_type from information_schema.columns where table_schema = 'public' order by 1, 2
"""
GRANTS = """
select table_name, grantee, privilege_type from information_schema.role_table_grants
where table_schema = 'public' and grantee like 'gal_friday%' order by 1, 2, 3
"""
EXECUTORS = (
    "select proname, proacl::text from pg_proc where pronamespace = 'public'::regnamespace order by 1, 2"
)


def asked(url, statement):
    with connect(url) as connection:
        return connection.execute(statement).fetchall()


@pytest.fixture
def scene(database_url, tmp_path, no_pipeline):
    """A data directory and a database with something in them."""
    root = tmp_path / "data"
    for name, text in {
        "artifacts/ab/model.ubj": "trees",
        "keys/signing.key": "secret",
        "artifacts/.incoming-1/x": "half",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "artifacts" / "link").symlink_to("/etc/passwd")
    config = tmp_path / "my.yaml"
    config.write_text("mode: paper\n")
    with connect(database_url) as connection:
        for number in range(50):
            connection.execute(ROWS, (f"{number:064x}", 1 + number))
    folders = {name: root / name for name in ("artifacts", "keys", "lake")}
    return Source(database_url=database_url, folders=folders, config=config)


@pytest.fixture
def empty_database(postgres):
    url = ensure_database(postgres.url("postgres"), "restored")
    yield url
    with connect(postgres.url("postgres")) as connection:
        connection.execute("drop database restored with (force)")


def saved(scene, tmp_path):
    file = tmp_path / "friday.tar"
    write(file, scene, code_version="0.1.0+gabc", now_ns=NOW_NS)
    return file


def elsewhere(tmp_path, url):
    root = tmp_path / "new"
    return Target(
        database_url=url,
        folders={name: root / name for name in ("artifacts", "keys", "lake")},
        config=root / "my.yaml",
    )


def test_what_was_backed_up_comes_back_with_its_rights_and_no_other(scene, tmp_path, empty_database):
    file = saved(scene, tmp_path)
    target = elsewhere(tmp_path, empty_database)
    found = restore(file, target)
    assert found.made == "2023-11-14T22:13:20.000000000Z"
    assert (target.folders["artifacts"] / "ab" / "model.ubj").read_text() == "trees"
    assert not (target.folders["artifacts"] / "link").exists()
    assert not (target.folders["artifacts"] / ".incoming-1").exists()
    key = target.folders["keys"] / "signing.key"
    assert key.read_text() == "secret"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert target.config.read_text() == "mode: paper\n"
    for statement in ("select sha256, size from artifact order by 1", TABLES, GRANTS, EXECUTORS):
        assert asked(empty_database, statement) == asked(scene.database_url, statement)
    assert asked(empty_database, GRANTS)
    assert migrate.missing(empty_database) == []


def test_backup_is_for_its_owner_only_and_overwrites_nothing(scene, tmp_path):
    file = saved(scene, tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(ConfigError, match="there already"):
        saved(scene, tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_older_schema_is_restored_and_brought_to_the_present_one(postgres, tmp_path, empty_database):
    old = ensure_database(postgres.url("postgres"), "old_schema")
    migrate.upgrade(old, "0008")
    with connect(old) as connection:
        connection.execute(ROWS, ("a" * 64, 7))
    file = tmp_path / "old.tar"
    write(file, Source(database_url=old, folders={}), code_version="0.0.9", now_ns=NOW_NS)
    assert contents(file).schema == "0008"
    restore(file, elsewhere(tmp_path, empty_database))
    assert asked(empty_database, "select sha256, size from artifact") == [("a" * 64, 7)]
    assert migrate.missing(empty_database) == []


def changed(file, edit):
    """The backup again, each member's bytes through `edit(name, bytes)`; None leaves it out."""
    again = file.with_name("edited.tar")
    with tarfile.open(file) as old, tarfile.open(again, "w") as new:
        for member in old:
            data = edit(member.name, old.extractfile(member).read())
            if data is not None:
                member.size = len(data)
                with (file.parent / "piece").open("wb+") as piece:
                    piece.write(data)
                    piece.seek(0)
                    new.addfile(member, piece)
    return again


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda name, data: b"other" if name.endswith(".ubj") else data, "not what was backed up"),
        (lambda name, data: None if name.endswith(".ubj") else data, "lacks 1 files"),
        (lambda name, data: None if name == MANIFEST else data, "no backup of Gal-Friday"),
        (
            lambda name, data: (
                data.replace(b"keys/signing.key", b"keys/another.key") if name == MANIFEST else data
            ),
            "does not",
        ),
    ],
)
def test_damaged_backup_is_refused_before_anything_is_touched(scene, tmp_path, empty_database, edit, said):
    file = changed(saved(scene, tmp_path), edit)
    with pytest.raises(DataError, match=said):
        restore(file, elsewhere(tmp_path, empty_database))
    assert not (tmp_path / "new" / "artifacts").exists()
    assert asked(empty_database, TABLES) == []


def test_cut_backup_is_refused(scene, tmp_path, empty_database):
    file = saved(scene, tmp_path)
    file.write_bytes(file.read_bytes()[:-40_000])
    with pytest.raises(DataError, match="no backup of Gal-Friday"):
        restore(file, elsewhere(tmp_path, empty_database))


def test_member_outside_the_folder_is_refused(scene, tmp_path, empty_database):
    file = saved(scene, tmp_path)
    evil = changed(
        file,
        lambda name, data: (
            data.replace(b"keys/signing.key", b"../../../evil.key") if name == MANIFEST else data
        ),
    )
    with tarfile.open(evil) as old, tarfile.open(tmp_path / "evil.tar", "w") as new:
        for member in old:
            data = old.extractfile(member)
            member.name = member.name.replace("keys/signing.key", "../../../evil.key")
            new.addfile(member, data)
    with pytest.raises(DataError, match="do not trust it"):
        restore(tmp_path / "evil.tar", elsewhere(tmp_path, empty_database))


def test_restore_overwrites_no_database_and_no_folder(scene, tmp_path, empty_database):
    file = saved(scene, tmp_path)
    with pytest.raises(ConfigError, match="is not empty"):
        restore(file, elsewhere(tmp_path, scene.database_url))
    target = elsewhere(tmp_path, empty_database)
    target.folders["keys"].mkdir(parents=True)
    (target.folders["keys"] / "mine").write_text("x")
    with pytest.raises(ConfigError, match="is not empty"):
        restore(file, target)


def test_runs_of_the_pipeline_are_taken_along_where_the_server_has_them(scene, tmp_path, postgres):
    file = tmp_path / "runs.tar"
    runs = ensure_database(postgres.url("postgres"), "dagster")
    try:
        found = write(file, scene, code_version="c", now_ns=NOW_NS)
        assert "database/dagster.dump" in found.files
        assert runs == with_database(scene.database_url, "dagster")
    finally:
        with connect(postgres.url("postgres")) as connection:
            connection.execute("drop database dagster with (force)")


def test_server_that_is_not_there_leaves_no_file_behind(scene, tmp_path):
    source = Source(database_url="postgresql://ada:hunter2hunter2@127.0.0.1:1/x", folders=scene.folders)
    with pytest.raises(StorageError) as caught:
        write(tmp_path / "friday.tar", source, code_version="c", now_ns=NOW_NS)
    assert "hunter2" not in str(caught.value)
    assert list(tmp_path.glob("*.tar")) == []


def test_password_stands_in_no_command_line():
    assert "secret" not in without_password("postgresql://ada:secret@db/friday?sslmode=require")
