import copy
import datetime as dt
import pickle
import re
import shutil
import threading
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from relhop.errors import SchemaError, StoreError
from relhop.features import FeatureReader
from relhop.schema import Link, Schema, Stype, Table
from relhop.store import placement
from relhop.store.device import DeviceCost
from relhop.store.reader import Store
from relhop.store.writer import write_store
from relhop.times import END_OF_TIME, NULL_TIME

DAY = 86_400_000_000
HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
SCHEMA = Schema(
    [
        Table("teams", pkey_col="name", stypes={"founded": "timestamp"}),
        Table(
            "races",
            pkey_col=("year", "round"),
            time_col="day",
            stypes={"wet": "categorical", "laps": "numerical"},
        ),
        Table("results", time_col="day"),
        Table("empty", pkey_col="id", time_col="day", stypes={"x": "numerical"}),
    ],
    [
        Link("results", ("year", "round"), "races"),
        Link("results", "team", "teams"),
        Link("teams", ("year", "round"), "races"),
    ],
)


def write(path):
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE teams AS SELECT * FROM (VALUES ('A', 2001, 1, DATE '1970-01-02'), ('B', 2000, 1, NULL))"
        " t(name, year, round, founded)"
    )
    connection.execute(
        "CREATE TABLE races AS SELECT year, round, make_timestamp(day * 86400000000) AS day, wet, laps"
        " FROM (VALUES (2000, 1, 1, true, 50), (2001, 1, 4, false, NULL), (2000, 2, 2, NULL, 52),"
        " (2002, 1, NULL, true, 53)) t(year, round, day, wet, laps)"
    )
    connection.execute(
        "CREATE TABLE results AS SELECT year, round, team, make_timestamp(day * 86400000000) AS day"
        " FROM (VALUES (2000, 1, 'A', 1), (2000, 1, 'B', 1), (2000, 2, 'A', 2), (2001, 1, 'C', 4),"
        " (2002, 1, NULL, 5)) t(year, round, team, day)"
    )
    connection.execute("CREATE TABLE empty (id INTEGER, day TIMESTAMP, x DOUBLE)")
    write_store(path, SCHEMA, connection, fingerprint="f00")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "f1.rh"
    write(path)
    return Store.open(path)


def test_an_open_store_shows_tables_and_links_in_the_order_of_the_schema(store):
    assert list(store.tables) == ["teams", "races", "results", "empty"]
    assert list(store.links) == ["results.year+round", "results.team", "teams.year+round"]
    assert store.schema == SCHEMA
    assert store.fingerprint == "f00"
    assert store.as_of_time is None
    assert repr(store) == f"Store('{store.path}', 4 tables, 3 links)"
    assert repr(store.as_of("1970-01-03")) == f"Store('{store.path}', 4 tables, 3 links, as of 1970-01-03)"


def test_rows_are_in_time_order_with_null_times_last(store):
    assert store.tables["races"].time[:].tolist() == [DAY, 2 * DAY, 4 * DAY, NULL_TIME]
    assert store.tables["races"].order[:].tolist() == [0, 2, 1, 3]
    assert store.tables["races"].null_times == 1


@pytest.mark.parametrize("memory", ["auto", "ram", "mmap", "disk"])
def test_arrays_are_the_same_and_read_only_in_every_memory(store, memory):
    other = Store.open(store.path, memory=memory)
    for name, table in store.tables.items():
        its = other.tables[name]
        np.testing.assert_array_equal(table.records, its.records)
        assert not its.records.flags.writeable
        assert (table.time is None) == (its.time is None)
        if table.time is not None:
            assert table.time[:].tolist() == its.time[:].tolist()
            assert table.order[:].tolist() == its.order[:].tolist()
    other.verify()


def mapped_files(store):
    """Which of the store's files this process has mapped."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return {line.rsplit(f"{store.path}/", 1)[1] for line in lines if f"{store.path}/" in line}


def test_arrays_that_are_not_loaded_are_mapped(store, tmp_path, monkeypatch):
    path = shutil.copytree(store.path, tmp_path / "copy.rh")
    assert placement.free_memory() > 0
    loaded = Store.open(path)
    assert mapped_files(loaded) == set()
    monkeypatch.setattr(placement, "free_memory", lambda: 0)
    mapped = Store.open(path, device=DeviceCost(1e4, 1e9))
    assert mapped_files(mapped) == {str(f.relative_to(path)) for f in path.rglob("*.bin") if f.stat().st_size}


@pytest.mark.skipif(
    not HUGE_PAGES.exists() or "[never]" in HUGE_PAGES.read_text(), reason="the system gives no huge pages"
)
def test_what_is_loaded_asks_for_huge_pages(tmp_path):
    connection = duckdb.connect()
    connection.execute("CREATE TABLE t AS SELECT random() AS x, random() AS y FROM range(1000000)")
    schema = Schema([Table("t", stypes={"x": "numerical", "y": "numerical"})])
    write_store(tmp_path / "x.rh", schema, connection, fingerprint="")
    records = Store.open(tmp_path / "x.rh", memory="ram").tables["t"].records
    middle = records.ctypes.data + records.nbytes // 2
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            begin, end = (int(address, 16) for address in line.split()[0].split("-"))
            inside = begin <= middle < end
        if inside and line.startswith("VmFlags:"):
            assert "hg" in line.split()
            return
    pytest.fail("the records are nowhere in memory")


def test_an_unknown_memory_is_refused(store):
    with pytest.raises(ValueError, match=r"^memory is 'tape'; choose 'auto', 'ram', 'mmap' or 'disk'$"):
        Store.open(store.path, memory="tape")


def test_records_on_disk_are_what_they_are_in_memory(store):
    on_disk = Store.open(store.path, memory="auto", buffer_pool_size=40, device=DeviceCost(1e4, 1e9))
    for name, table in on_disk.tables.items():
        assert (table.disk is not None) == (on_disk.placement.tables[name].place == "disk")
    assert any(table.disk for table in on_disk.tables.values())
    for name, table in store.tables.items():
        rows = np.arange(table.num_rows)[::-1].copy()
        expected = FeatureReader(table).gather(rows)
        reader = FeatureReader(on_disk.tables[name])
        got = reader.gather(rows, num_threads=2)
        for field in ("timestamps", "numerical", "categorical", "time", "position"):
            np.testing.assert_array_equal(getattr(got, field), getattr(expected, field))
        assert reader.stats().rows == (0 if on_disk.tables[name].disk is None else len(rows))


def test_features_are_decoded_and_categories_named(store):
    races = store.tables["races"]
    np.testing.assert_array_equal(races.field_values("laps"), np.array([50, 52, np.nan, 53], np.float32))
    assert races.field_values("wet", np.array([2, 0, 1])).tolist() == [1, 0, -1]
    assert races.field_values("wet", slice(1, 3)).tolist() == [-1, 1]
    assert races.categories("wet") == ["true", "false"]
    assert store.tables["teams"].field_values("founded").tolist() == [DAY, np.iinfo(np.int64).min]
    assert store.tables["results"].records.shape == (5, 0)
    with pytest.raises(SchemaError, match=r"^table 'races' has no feature 'lap'. Did you mean 'laps'\?$"):
        races.field_values("lap")
    with pytest.raises(SchemaError, match=r"^table 'races', column 'laps' is not categorical$"):
        races.categories("laps")


def test_cut_counts_rows_whose_time_is_not_later(store):
    assert [store.cut("races", t) for t in (-1, DAY - 1, DAY, DAY + 1, 4 * DAY)] == [0, 0, 1, 1, 3]
    assert store.cut("races", END_OF_TIME) == store.cut("races", NULL_TIME) == 3
    assert store.cut("teams", -1) == 2
    assert store.cut("empty", 0) == 0
    with pytest.raises(SchemaError, match=r"^there is no table 'race'. Did you mean 'races'\?$"):
        store.cut("race", 0)


def test_as_of_hides_what_is_later_and_the_earlier_of_two_holds(store):
    past = store.as_of("1970-01-03")
    assert past.tables is store.tables
    assert (past.as_of_time, past.as_of(9 * DAY).as_of_time, past.as_of(1).as_of_time) == (
        2 * DAY,
        2 * DAY,
        1,
    )
    assert store.caps().tolist() == [2, 4, 5, 0]
    assert past.caps().tolist() == [2, 2, 3, 0]
    assert past.cut("races", 9 * DAY) == 2
    assert (store.oldest_time, store.newest_time) == (DAY, 5 * DAY)
    assert (past.oldest_time, past.newest_time) == (DAY, 2 * DAY)
    assert (store.as_of(0).oldest_time, store.as_of(0).newest_time) == (None, None)
    assert store.as_of(NULL_TIME).caps().tolist() == [2, 3, 5, 0]


def test_views_of_the_past_hide_later_rows_and_links_to_them(store):
    now = store.connect().sql('SELECT "_rh_year+round", _rh_team FROM results ORDER BY _rh_row').fetchall()
    assert now == [(0, 0), (0, 1), (1, 0), (2, None), (3, None)]
    past = store.as_of(dt.date(1970, 1, 3)).connect()
    assert past.sql("SELECT count(*), max(_rh_time) FROM races").fetchall() == [(2, dt.datetime(1970, 1, 3))]
    assert past.sql('SELECT name, "_rh_year+round" FROM teams ORDER BY _rh_row').fetchall() == [
        ("A", None),
        ("B", 0),
    ]


def test_rows_of_finds_keys_of_every_form(store):
    assert store.rows_of("teams", ["B", "nobody", None, "A", "B"]).tolist() == [1, -1, -1, 0, 1]
    assert store.rows_of("races", [(2001, 1), (2000, 2), (1999, 1)]).tolist() == [2, 1, -1]
    assert store.rows_of("races", []).tolist() == []
    frame = pd.DataFrame({"round": [1, 2], "year": [2002, 2000], "more": [0, 0]})
    assert store.rows_of("races", frame).tolist() == [3, 1]
    assert store.rows_of("races", pa.table({"year": [2000.0, None], "round": [1.0, 1.0]})).tolist() == [0, -1]
    assert store.rows_of("teams", np.array(["A"])).dtype == np.int64
    assert store.rows_of("teams", []).tolist() == []
    assert store.rows_of("races", [("2001", "1")]).tolist() == [2]
    assert store.as_of("1970-01-03").rows_of("races", [(2001, 1), (2000, 2)]).tolist() == [-1, 1]


@pytest.mark.parametrize(
    ("table", "keys", "message"),
    [
        ("results", [1], "table 'results' has no primary key, so its rows have no keys"),
        (
            "races",
            pd.DataFrame({"year": [1], "rounds": [1]}),
            "the keys of table 'races' need the column 'round', which is not among 'year', 'rounds'."
            " Did you mean 'rounds'?",
        ),
        (
            "races",
            [(1, 2), (1,)],
            "keys of table 'races' must be tuples (year, round) of one type each:"
            " zip() argument 2 is shorter than argument 1",
        ),
        (
            "races",
            [1],
            "keys of table 'races' must be tuples (year, round) of one type each:"
            " 'int' object is not iterable",
        ),
    ],
)
def test_keys_of_the_wrong_shape_are_refused(store, table, keys, message):
    with pytest.raises(SchemaError) as caught:
        store.rows_of(table, keys)
    assert str(caught.value) == message


def test_keys_of_mixed_types_are_refused(store):
    with pytest.raises(SchemaError, match=r"^keys of table 'teams' must be single values of one type each: "):
        store.rows_of("teams", ["A", 1])


def test_keys_that_cannot_be_compared_are_refused(store):
    with pytest.raises(SchemaError, match=r"^the keys cannot be compared with \(year, round\): "):
        store.rows_of("races", [(dt.date(2000, 1, 1), 1)])


def test_keys_of_gives_the_key_columns_in_the_order_asked(store):
    assert store.keys_of("races", [2, 0, 2]).to_pydict() == {"year": [2001, 2000, 2001], "round": [1, 1, 1]}
    assert store.keys_of("teams", np.array([], np.int64)).to_pydict() == {"name": []}
    with pytest.raises(IndexError, match=r"^table 'teams' has 2 rows, so none with the number 2$"):
        store.keys_of("teams", [0, 2])
    with pytest.raises(SchemaError, match=r"^table 'results' has no primary key"):
        store.keys_of("results", [0])


def test_a_store_pickles_as_its_path_memory_pool_and_time(store):
    opened = Store.open(store.path, memory="disk", buffer_pool_size="1 kB", device=DeviceCost(1e4, 1e9))
    past = pickle.loads(pickle.dumps(opened.as_of(2 * DAY)))
    assert past.placement == opened.placement
    assert (past.path, past.as_of_time) == (store.path, 2 * DAY)
    assert copy.deepcopy(store).as_of_time is None


def test_threads_share_a_store(store):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(store.rows_of("teams", ["B"])[0])) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1] * 4


def test_describe_counts_rows_edges_and_bytes(store):
    summary = store.describe()
    races = summary.tables[1]
    assert (races.rows, races.null_times, races.oldest_time, races.newest_time) == (4, 1, DAY, 4 * DAY)
    assert races.features == {"laps": "numerical", "wet": "categorical"}
    assert races.categories == {"wet": 2}
    assert races.bytes["rows.bin"] == 32
    teams = summary.links[1]
    assert (teams.edges, teams.nulls, teams.dangling, teams.degree_mean, teams.degree_max) == (
        3,
        1,
        1,
        1.5,
        2,
    )
    assert teams.bytes == {"parents.bin": 16, "offsets.bin": 16, "children.bin": 16}
    assert teams.bits_per_row == {"parents": 2, "offsets": 2, "children": 3}
    assert teams.bytes_per_edge == 48 / 6
    assert races.bits_per_row == {"rows": 64, "time": 8 * (24 + 16 * 64 + 8) / 4, "order": 3}
    assert races.bytes["time.bin"] == 16 * 64 + 8  # A null among times takes all bits.
    topology = [f for f in store.path.rglob("*.bin") if f.name not in ("rows.bin", "order.bin")]
    assert summary.bytes_per_edge == sum(f.stat().st_size for f in topology) / (2 * (5 + 3 + 2))
    assert summary.tables[3].oldest_time is None
    assert summary.total_bytes == sum(f.stat().st_size for f in store.path.rglob("*") if f.is_file())
    assert summary.to_dict()["links"][1]["degree_max"] == 2
    assert (summary.version, summary.fingerprint) == (6, "f00")


def test_a_replaced_store_does_not_name_its_codes_by_the_new_ones_categories(tmp_path):
    path = tmp_path / "x.rh"
    write(path)
    store = Store.open(path)
    table, column = next(
        (t, f.column) for t in store.tables.values() for f in t.fields if f.stype == Stype.categorical
    )
    assert table.categories(column)
    write(path)
    with pytest.raises(StoreError, match=r"was replaced since it was opened; open it again$"):
        table.categories(column)


def test_a_store_replaced_while_it_is_opened_is_opened_again(tmp_path, monkeypatch):
    path = tmp_path / "x.rh"
    write(path)
    once, times = Store._open_once, []

    def replaced_meanwhile(folder, *options):
        times.append(folder)
        if len(times) == 1:
            write(path)
        return once(folder, *options)

    monkeypatch.setattr(Store, "_open_once", replaced_meanwhile)
    store = Store.open(path)
    assert len(times) == 2
    store.connect()
