"""Each damaged input: one line that says what, where and what to do, and nothing of the file stored."""

import json
import zipfile

import numpy as np
import polars as pl
import pytest

from gal_friday_adapters.history import archive
from gal_friday_adapters.ingest import Overrides, ingest_paths
from gal_friday_adapters.lake import CandleLake
from gal_friday_core.candles import UNKNOWN_TRADES, Series
from gal_friday_core.errors import DataError
from gal_friday_core.times import from_iso

SERIES = Series("kraken", "BTC/USD", "1m")
START_S = from_iso("2024-01-01") // 10**9
ROWS = 600


def table(count=ROWS, seed=1, step=60):
    rng = np.random.default_rng(seed)
    close = (40_000 * np.exp(np.cumsum(rng.normal(0, 1e-4, count)))).round(1)
    opened = np.append(40_000.0, close[:-1])
    return {
        "ts": START_S + np.arange(count) * step,
        "open": opened,
        "high": np.maximum(opened, close) + 1,
        "low": np.minimum(opened, close) - 1,
        "close": close,
        "volume": rng.gamma(1, 1, count).round(8) + 1e-8,
        "trades": rng.integers(1, 20, count),
    }


def csv_lines(columns):
    return [
        ",".join(map(str, row)) for row in zip(*(column.tolist() for column in columns.values()), strict=True)
    ]


def write_csv(folder, lines, name="XBTUSD_1.csv", end="\n"):
    path = folder / name
    path.write_text("\n".join(lines) + end)
    return path


def write_parquet(folder, columns, name="kraken_XBTUSD_1m.parquet", scale=10**9):
    path = folder / name
    pl.DataFrame(columns | {"ts": columns["ts"] * scale}).write_parquet(path)
    return path


def replaced(lines, index, line):
    return [*lines[:index], line, *lines[index + 1 :]]


def with_field(lines, index, field, value):
    fields = lines[index].split(",")
    fields[field] = value
    return replaced(lines, index, ",".join(fields))


def stored_bytes(lake):
    return {path: path.read_bytes() for path in lake.root.rglob("*.parquet")}


@pytest.fixture
def lake(tmp_path):
    """A lake in which something of the same series is stored already."""
    lake = CandleLake(tmp_path / "data" / "lake")
    earlier = tmp_path / "earlier"
    earlier.mkdir()
    columns = table(100)
    columns["ts"] = columns["ts"] - 86_400
    ingest_paths([write_csv(earlier, csv_lines(columns))], lake)
    return lake


def refused(lake, path, *, message, **options):
    before = stored_bytes(lake)
    with pytest.raises(DataError, match=message) as caught:
        ingest_paths([path], lake, **options)
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)
    assert stored_bytes(lake) == before
    return str(caught.value)


HEADER = "time,open,high,low,close,volume,trades"
LINES = csv_lines(table())
HOURLY = csv_lines(table(step=3600))
SHUFFLED = [LINES[i] for i in np.random.default_rng(1).permutation(ROWS)]

BAD_CSV = {
    "empty": ([], "empty"),
    "cut off in a line": ([*LINES[:-1], LINES[-1][:25]], r"line 600: cut off after 3 of 7 columns.*truncated"),
    "a header without a column": (["time,open,high,low,close", *LINES], "line 1: a header without volume"),
    "times as text": ([HEADER, f"2023-11-15 00:00:00,{LINES[0].partition(',')[2]}"], "line 2: the time '2023-11-15 00:00:00' is"),
    "a header alone": (["time,open,high,low,close,volume,trades"], "a header and no line below"),
    "no number at first": (["x" + LINES[0], *LINES[1:]], "line 1: no number: 'x17.*Remove or correct"),
    "a wrong line below a header": ([HEADER, *with_field(LINES, 41, 2, "abc")], "line 43: high is not a number"),
    "a short line below a header of others": ([f"{HEADER},vwap", *(f"{line},1" for line in LINES), "1,2,3"],
        "line 602: 3 columns where the header names 8"),
    "eight columns": ([f"{line},1.0" for line in LINES], "line 1: 8 columns; expected 7"),
    "six columns": ([line.rpartition(",")[0] for line in LINES], "line 1: 6 columns; expected 7"),
    "one short line": (replaced(LINES, 41, "1,2,3"), "line 42: 3 columns where 7"),
    "one long line": (replaced(LINES, 41, LINES[41] + ",1"), "line 42: 8 columns where 7"),
    "a blank line": (replaced(LINES, 41, ""), "line 42: a blank line"),
    "text for a price": (with_field(LINES, 41, 2, "abc"), "line 42: high is not a number"),
    "nothing for a volume": (with_field(LINES, 41, 5, ""), "line 42: volume is not a number"),
    "a broken time": (with_field(LINES, 41, 0, "17e3"), "line 42: time is not a whole number"),
    "NaN": (with_field(LINES, 41, 4, "NaN"), "line 42: .*NaN"),
    "infinity": (with_field(LINES, 41, 5, "1e999"), "line 42: .*infinite"),
    "a negative price": (with_field(LINES, 41, 3, "-40000"), "line 42: a price is zero or negative"),
    "a zero price": (with_field(LINES, 41, 1, "0"), "line 42: a price is zero or negative"),
    "a negative volume": (with_field(LINES, 41, 5, "-1"), "line 42: the volume is negative"),
    "high below low": (with_field(LINES, 41, 2, "1"), "line 42: high is below low"),
    "close above high": (with_field(LINES, 41, 4, "99999"), "line 42: open or close lies outside"),
    "an identical duplicate": ([*LINES[:42], LINES[41], *LINES[42:]], "line 43: the time repeats"),
    "a different duplicate": ([*LINES[:42], LINES[41] + "0", *LINES[42:]], "line 43: the time repeats"),
    "one row out of order": ([*LINES[:10], LINES[50], *LINES[10:50], *LINES[51:]], "line 11: out of order: the time is after"),
    "shuffled": (SHUFFLED, "shuffled.*Sort the file"),
    "backwards": (LINES[::-1], "shuffled"),
    "off the grid": (with_field(LINES, 41, 0, str(START_S + 41 * 60 + 7)), "line 42: the time is off the 1m grid"),
    "hours as minutes": (HOURLY, "wrong interval: every time lies on the 1h grid"),
    "milliseconds": ([line.replace(",", "000,", 1) for line in LINES], "not unix seconds"),
    "a year after 2100": (with_field(LINES, 599, 0, "4200000000"), "line 600: the time is before 2009 or after 2100"),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "message"), BAD_CSV.values(), ids=BAD_CSV.keys())
def test_a_bad_csv_is_refused_in_one_line_and_nothing_of_it_is_stored(lake, tmp_path, lines, message):
    refused(lake, write_csv(tmp_path, lines), message=message)


HEADERS = {
    "Kraken's columns": (HEADER, LINES),
    "quoted, with a mark and Windows ends": (
        '\ufeff"Time","Open","High","Low","Close","Volume","Trades"\r',
        [f"{line}\r" for line in LINES],
    ),
    "others between, in another order": (
        "symbol,unix,close,low,high,open,vwap,volume,count",
        ["BTC/USD,{0},{4},{3},{2},{1},7,{5},{6}".format(*line.split(",")) for line in LINES],
    ),
}


@pytest.mark.parametrize(("header", "lines"), HEADERS.values(), ids=HEADERS.keys())
def test_a_header_says_where_columns_stand(tmp_path, header, lines):
    plain, named = CandleLake(tmp_path / "plain"), CandleLake(tmp_path / "named")
    ingest_paths([write_csv(tmp_path, LINES)], plain)
    ingest_paths([write_csv(tmp_path, [header, *lines])], named)
    (series,) = named.series()
    assert named.version(series) == plain.version(series)
    assert len(named.read(series)) == ROWS


def test_trades_that_a_header_does_not_name_are_not_known(tmp_path):
    lake = CandleLake(tmp_path / "lake")
    lines = ["time,open,high,low,close,volume", *(line.rpartition(",")[0] for line in LINES)]
    ingest_paths([write_csv(tmp_path, lines)], lake)
    (series,) = lake.series()
    assert set(lake.read(series).trades.tolist()) == {UNKNOWN_TRADES}


def test_minutes_as_hours_are_the_wrong_interval(lake, tmp_path):
    refused(
        lake, write_csv(tmp_path, LINES, "XBTUSD_60.csv"), message="wrong interval: the median spacing is 1m"
    )


def test_what_is_no_text_is_not_read_as_csv(lake, tmp_path):
    path = tmp_path / "XBTUSD_1.csv"
    path.write_bytes(b"\x1f\x8b\x00\x00" * 100)
    refused(lake, path, message="not a text file")


def test_a_file_without_a_last_newline_or_with_windows_ends_is_whole(lake, tmp_path):
    assert ingest_paths([write_csv(tmp_path, LINES, end="")], lake).rows == ROWS
    windows = tmp_path / "windows"
    windows.mkdir()
    report = ingest_paths([write_csv(windows, [line + "\r" for line in LINES])], lake)
    assert (report.rows, report.unchanged) == (ROWS, ROWS)


def damaged(column, row, value):
    columns = table()
    columns[column] = columns[column].astype(object if value is None else columns[column].dtype)
    columns[column][row] = value
    return {name: pl.Series(column.tolist()) for name, column in columns.items()}


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("close", float("nan"), "row 42: a value is missing, NaN"),
        ("close", None, "row 42: a value is missing"),
        ("ts", None, "row 42: the time is missing"),
        ("open", -1.0, "row 42: a price is zero or negative"),
        ("ts", START_S + 60, "row 42: the time repeats"),
    ],
)
def test_a_bad_parquet_row_is_refused_by_its_number(lake, tmp_path, column, value, message):
    path = write_parquet(tmp_path, damaged(column, 41, value))
    refused(lake, path, message=message)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda c: {k: v for k, v in c.items() if k != "close"}, "no column close"),
        (lambda c: c | {"volume": [str(v) for v in c["volume"]]}, "volume is String"),
        (lambda c: c | {"ts": c["ts"] / 1.0}, "ts is Float64"),
        (lambda c: {k: v[:0] for k, v in c.items()}, "the file is empty"),
    ],
)
def test_a_parquet_of_another_form_is_refused(lake, tmp_path, spoil, message):
    refused(lake, write_parquet(tmp_path, spoil(table())), message=message)


@pytest.mark.parametrize("scale", [1, 1_000, 1_000_000])
def test_parquet_times_in_another_unit_are_told(lake, tmp_path, scale):
    refused(lake, write_parquet(tmp_path, table(), scale=scale), message="not nanoseconds")


def test_parquet_timestamps_are_read_whatever_their_unit(lake, tmp_path):
    path = tmp_path / "kraken_XBTUSD_1m.parquet"
    columns = table()
    times = pl.Series(columns["ts"] * 1000).cast(pl.Datetime("ms", "UTC"))
    pl.DataFrame(columns | {"ts": times}).write_parquet(path)
    assert ingest_paths([path], lake).rows == ROWS
    assert lake.read(SERIES).ts[-1] == columns["ts"][-1] * 10**9


@pytest.mark.parametrize("keep", [slice(0, 500), slice(100, None), slice(0, 0)])
def test_a_truncated_parquet_is_refused(lake, tmp_path, keep):
    path = write_parquet(tmp_path, table())
    path.write_bytes(path.read_bytes()[keep])
    refused(lake, path, message="not a readable Parquet file")


def test_a_folder_without_candles_is_an_error(lake, tmp_path):
    folder = tmp_path / "nothing"
    folder.mkdir()
    (folder / "README.txt").write_text("no candles here")
    refused(lake, folder, message="the directory has no candle files")


def test_a_path_that_does_not_exist_stops_before_anything_is_read(lake, tmp_path):
    before = stored_bytes(lake)
    with pytest.raises(DataError, match="no such file or directory"):
        ingest_paths([write_csv(tmp_path, LINES), tmp_path / "XBTUSD_5.csv"], lake)
    assert stored_bytes(lake) == before


@pytest.mark.parametrize("name", ["prices.xlsx", "prices.csv", "binance_XRPUSDT-PERP_5m.parquet"])
def test_a_named_file_of_unknown_kind_or_series_is_refused(lake, tmp_path, name):
    refused(lake, write_csv(tmp_path, LINES, name), message="give|Give|derivative")


class TestSkippingBadRows:
    def test_the_good_rows_are_stored_and_the_bad_ones_listed(self, lake, tmp_path):
        lines = with_field(with_field(LINES, 41, 4, "NaN"), 99, 2, "abc")
        report = ingest_paths([write_csv(tmp_path, lines)], lake, skip_bad_rows=True)
        assert (report.rows, report.refused) == (ROWS - 2, 2)
        first, second = report.files[0].refused_rows
        assert (first.number, second.number) == (42, 100)
        assert "NaN" in first.reason
        assert second.reason == "high is not a number"
        assert "abc" in second.content
        listed = json.loads(json.dumps(report.to_dict()))["files"][0]["refused_rows"]
        assert [row["number"] for row in listed] == [42, 100]

    def test_more_than_a_few_bad_rows_are_no_isolated_damage(self, lake, tmp_path):
        lines = LINES
        for index in range(0, 70, 10):
            lines = with_field(lines, index, 3, "-1")
        message = refused(lake, write_csv(tmp_path, lines), message="Too many to skip", skip_bad_rows=True)
        assert "line 1:" in message
        assert "6 more bad rows" in message

    @pytest.mark.parametrize(
        "kind", ["cut off in a line", "eight columns", "shuffled", "hours as minutes", "empty"]
    )
    def test_what_is_wrong_as_a_whole_cannot_be_skipped(self, lake, tmp_path, kind):
        lines, message = BAD_CSV[kind]
        refused(lake, write_csv(tmp_path, lines), message=message, skip_bad_rows=True)


class TestQuarantine:
    def flat(self):
        columns = table()
        for name in ("open", "high", "low", "close"):
            columns[name][:400] = 40_000.0
        columns["volume"][:400] = 0.0
        columns["trades"][:400] = 0
        return csv_lines(columns)

    def test_a_mostly_flat_file_is_quarantined_with_its_reasons_and_a_note(self, lake, tmp_path):
        path = write_csv(tmp_path, self.flat())
        message = refused(lake, path, message="quarantined: 67% of the bars are flat with zero volume")
        (note,) = (tmp_path / "data" / "quarantine").glob("*.json")
        assert str(note) in message
        record = json.loads(note.read_text())
        assert record["file"] == "XBTUSD_1.csv"
        assert record["series"] == "kraken:BTC-USD:1m"
        assert record["reasons"][0].startswith("67%")
        assert record["quality"]["rows"] == ROWS

    def test_a_second_attempt_leaves_the_same_note(self, lake, tmp_path):
        path = write_csv(tmp_path, self.flat())
        for _ in range(2):
            refused(lake, path, message="quarantined")
        assert len(list((tmp_path / "data" / "quarantine").iterdir())) == 1

    def test_a_file_that_contradicts_the_stored_history_is_another_market(self, lake, tmp_path):
        ingest_paths([write_csv(tmp_path, LINES)], lake)
        other = table(seed=2)
        for name in ("open", "high", "low", "close"):
            other[name] = other[name] / 20
        refused(
            lake, write_csv(tmp_path, csv_lines(other)), message="closes differ by 1[89]..% from those stored"
        )

    def test_a_corrected_file_replaces_and_says_so(self, lake, tmp_path):
        ingest_paths([write_csv(tmp_path, LINES)], lake)
        report = ingest_paths([write_csv(tmp_path, with_field(LINES, 41, 5, "7.5"))], lake)
        assert (report.added, report.unchanged, report.replaced) == (0, ROWS - 1, 1)
        assert lake.read(SERIES, (START_S + 41 * 60) * 10**9).volume[0] == 7.5


class TestFolders:
    def test_good_files_are_stored_although_a_bad_one_lies_among_them(self, lake, tmp_path):
        folder = tmp_path / "folder"
        (folder / "deep").mkdir(parents=True)
        write_csv(folder, with_field(LINES, 41, 4, "NaN"), "ETHUSD_1.csv")
        write_csv(folder / "deep", LINES, "XBTUSD_1.csv")
        write_parquet(folder, table(), "binance_XRPUSDT-PERP_1m.parquet")
        report = ingest_paths([folder], lake, keep_going=True)
        statuses = {file.name: file.status for file in report.files}
        assert statuses == {
            "ETHUSD_1.csv": "refused",
            "XBTUSD_1.csv": "stored",
            "binance_XRPUSDT-PERP_1m.parquet": "left out",
        }
        with pytest.raises(DataError, match=r"ETHUSD_1.csv: line 42"):
            report.check()
        assert report.series == [SERIES]

    def test_options_choose_among_the_files_of_a_folder(self, lake, tmp_path):
        folder = tmp_path / "folder"
        folder.mkdir()
        for name in ("XBTUSD_1.csv", "ETHUSD_1.csv"):
            write_csv(folder, LINES, name)
        write_csv(folder, HOURLY, "XBTUSD_60.csv")
        report = ingest_paths([folder], lake, overrides=Overrides(pair="XBT/USD", interval="1m"))
        assert report.series == [SERIES]
        assert [file.reason for file in report.files if file.status == "left out"] == [
            "another pair than XBT/USD",
            "another interval than 1m",
        ]

    def test_options_choose_among_several_named_files_and_never_merge_them(self, lake, tmp_path):
        paths = [write_csv(tmp_path, LINES, name) for name in ("XBTUSD_1.csv", "ETHUSD_1.csv")]
        report = ingest_paths(paths, lake, overrides=Overrides(pair="BTC/USD"))
        assert [file.status for file in report.files] == ["stored", "left out"]

    def test_a_damaged_archive_among_good_files_is_refused_alone(self, lake, tmp_path):
        folder = tmp_path / "folder"
        folder.mkdir()
        (folder / "a.zip").write_bytes(b"PK")
        write_csv(folder, LINES)
        report = ingest_paths([folder], lake, keep_going=True)
        assert [file.status for file in report.files] == ["stored", "refused"]


def zipped(path, members, **options):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


TEXT = "\n".join(LINES) + "\n"


class TestArchives:
    def test_members_are_ingested_as_files_and_others_left_out(self, lake, tmp_path):
        path = zipped(
            tmp_path / "Kraken_OHLCVT.zip",
            {
                "all/XBTUSD_1.csv": TEXT,
                "all/XBTUSD_720.csv": TEXT,
                "__MACOSX/._XBTUSD_1.csv": "x",
                "README": "x",
            },
        )
        report = ingest_paths([path], lake)
        assert report.rows == ROWS
        assert [(file.name, file.status) for file in report.files] == [
            ("Kraken_OHLCVT.zip!all/XBTUSD_1.csv", "stored"),
            ("Kraken_OHLCVT.zip!all/XBTUSD_720.csv", "left out"),
        ]

    def test_a_bad_line_is_named_with_member_and_line(self, lake, tmp_path):
        bad = "\n".join(with_field(LINES, 41, 4, "NaN"))
        path = zipped(tmp_path / "a.zip", {"XBTUSD_1.csv": bad})
        refused(lake, path, message=r"a.zip!XBTUSD_1.csv: line 42")

    @pytest.mark.parametrize(
        "name", ["../XBTUSD_1.csv", "/etc/XBTUSD_1.csv", "a/../../XBTUSD_1.csv", "c:/XBTUSD_1.csv"]
    )
    def test_a_hostile_member_name_refuses_the_archive(self, lake, tmp_path, name):
        refused(lake, zipped(tmp_path / "a.zip", {name: TEXT}), message="refuses the member name")
        assert not (tmp_path.parent / "XBTUSD_1.csv").exists()

    def test_a_member_without_a_name_refuses_the_archive(self, lake, tmp_path):
        path = zipped(tmp_path / "a.zip", {"~": TEXT})
        path.write_bytes(path.read_bytes().replace(b"~", b"\0"))
        refused(lake, path, message="refuses the member name ''")

    def test_a_bomb_is_not_unpacked(self, lake, tmp_path):
        path = zipped(tmp_path / "a.zip", {"XBTUSD_1.csv": b"0" * 30_000_000}, compresslevel=9)
        refused(lake, path, message="unpacks to 30,000,000 bytes")

    def test_too_large_a_member_is_not_unpacked(self, lake, tmp_path, monkeypatch):
        monkeypatch.setattr(archive, "MAX_MEMBER_BYTES", 1_000)
        refused(lake, zipped(tmp_path / "a.zip", {"XBTUSD_1.csv": TEXT}), message="unpacks to")

    def test_damage_inside_is_told(self, lake, tmp_path):
        path = zipped(tmp_path / "a.zip", {"XBTUSD_1.csv": TEXT})
        content = bytearray(path.read_bytes())
        content[200:260] = bytes(60)
        path.write_bytes(content)
        refused(lake, path, message="damaged")

    @pytest.mark.parametrize("keep", [slice(0, 100), slice(0, 0)])
    def test_a_truncated_archive_is_refused(self, lake, tmp_path, keep):
        path = zipped(tmp_path / "a.zip", {"XBTUSD_1.csv": TEXT})
        path.write_bytes(path.read_bytes()[keep])
        refused(lake, path, message="not a readable ZIP archive")

    def test_an_archive_without_candles_is_an_error(self, lake, tmp_path):
        refused(lake, zipped(tmp_path / "a.zip", {"README.txt": "x"}), message="no member is a candle file")
