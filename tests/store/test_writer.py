"""A store holds exactly what the slow twin says, whatever the tables."""

import datetime as dt
import itertools
import math
import os
import resource
import signal
import subprocess
import sys

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relhop.errors import SchemaError, SourceError, StoreError
from relhop.schema import Link, Schema, Table
from relhop.store import publish
from relhop.store.reader import Store
from relhop.store.writer import write_store
from relhop.times import NULL_TIME

EPOCH = dt.datetime(1970, 1, 1)
INT64_MIN = np.iinfo(np.int64).min


def build(path, schema, tables, **options):
    """Writes a store from Arrow tables by name."""
    connection = duckdb.connect()
    for i, (name, table) in enumerate(tables.items()):
        connection.register(f"source_{i}", table)
        quoted = name.replace('"', '""')
        connection.execute(f'CREATE VIEW "{quoted}" AS SELECT * FROM source_{i}')
    write_store(path, schema, connection, fingerprint="test", **options)
    connection.close()
    return Store.open(path)


def micros(stamp):
    return (stamp - EPOCH) // dt.timedelta(microseconds=1)


# The twin: plain Python over lists of dictionaries.


def twin_order(rows, time_col):
    if time_col is None:
        return list(range(len(rows)))
    return sorted(range(len(rows)), key=lambda i: (rows[i][time_col] is None, rows[i][time_col] or EPOCH, i))


def twin_parents(children, parents, fkey, pkey):
    first = {}
    for row, parent in enumerate(parents):
        key = tuple(parent[c] for c in pkey)
        if None not in key:
            first.setdefault(key, row)
    keys = [tuple(child[c] for c in fkey) for child in children]
    found = [first.get(key) for key in keys]
    nulls = sum(None in key for key in keys)
    return found, nulls, found.count(None) - nulls


def twin_codes(values):
    seen = {}
    return [-1 if v is None else seen.setdefault(v, len(seen)) for v in values], list(seen)


def as_text(value):
    return str(value).lower() if isinstance(value, bool) else str(value)


def check_against_twin(store, schema, data):
    ordered = {}
    for name, table in schema.tables.items():
        order = twin_order(data[name], table.time_col)
        rows = ordered[name] = [data[name][i] for i in order]
        stored = store.tables[name]
        assert stored.num_rows == len(rows)
        if table.time_col is None:
            assert stored.time is None
            assert stored.order is None
        else:
            times = [NULL_TIME if r[table.time_col] is None else micros(r[table.time_col]) for r in rows]
            assert stored.time[:].tolist() == times
            assert stored.order[:].tolist() == order
            assert stored.null_times == times.count(NULL_TIME)
        for column, stype in schema.feature_columns(name).items():
            values = [row[column] for row in rows]
            found = stored.field_values(column)
            if stype == "numerical":
                expected = np.array([math.nan if v is None else float(v) for v in values], np.float32)
                np.testing.assert_array_equal(found, expected)
            elif stype == "timestamp":
                assert found.tolist() == [INT64_MIN if v is None else micros(v) for v in values]
            else:
                codes, categories = twin_codes([None if v is None else as_text(v) for v in values])
                assert found.tolist() == codes
                assert stored.categories(column) == categories
    for link in schema.links:
        pkey = schema.tables[link.parent].pkey
        parents, nulls, dangling = twin_parents(ordered[link.child], ordered[link.parent], link.columns, pkey)
        stored = store.links[link.name]
        assert stored.parents[:].tolist() == [-1 if parent is None else parent for parent in parents]
        assert (stored.nulls, stored.dangling) == (nulls, dangling)
        lists = [[] for _ in ordered[link.parent]]
        for child, parent in enumerate(parents):
            if parent is not None:
                lists[parent].append(child)
        assert stored.offsets[:].tolist() == [0, *itertools.accumulate(map(len, lists))]
        assert stored.children[:].tolist() == [c for children in lists for c in children]
    return ordered


STAMPS = st.one_of(
    st.none(),
    st.sampled_from([EPOCH, dt.datetime(1969, 12, 31, 23, 59, 59, 999_999), dt.datetime(2020, 2, 29)]),
    st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 1, 1)),
)
TEXTS = st.one_of(st.none(), st.sampled_from(["", "a", "A", "ä", "'", '"', "a,b", "日本", "\\N"]))
KEYS = {
    "integers": (pa.int64(), st.one_of(st.none(), st.integers(-3, 5), st.just(2**62))),
    "texts": (pa.string(), TEXTS),
}
NAMES = {"plain": ("users", "posts"), "strange": ('it\'s "quoted" %', "Schlüssel; --*?[x]")}


@st.composite
def worlds(draw):
    """A schema of children that point at parents twice and at themselves, and its rows."""
    key_type, keys = KEYS[draw(st.sampled_from(sorted(KEYS)))]
    parent, child = NAMES[draw(st.sampled_from(sorted(NAMES)))]
    composite, parent_timed, child_timed = draw(st.booleans()), draw(st.booleans()), draw(st.booleans())
    pkey = ("id", "part") if composite else ("id",)
    first, second = (("a", "a part"), ("b", "a part")) if composite else (("a",), ("b/c",))
    kinds = {
        parent: {"id": (key_type, keys), "part": (pa.int32(), st.one_of(st.none(), st.integers(0, 1)))},
        child: {
            "id": (key_type, keys),
            **dict.fromkeys((first[0], second[0], "self"), (key_type, keys)),
            **({"a part": (pa.int32(), st.one_of(st.none(), st.integers(0, 1)))} if composite else {}),
            "price": (pa.float64(), st.one_of(st.none(), st.floats(-1e6, 1e6))),
            "count": (pa.int16(), st.one_of(st.none(), st.integers(-5, 5))),
            'good "one"': (pa.bool_(), st.one_of(st.none(), st.booleans())),
            "label": (pa.string(), TEXTS),
            "seen": (pa.timestamp("us"), STAMPS),
        },
    }
    times = {"time": (pa.timestamp("us"), STAMPS)}
    kinds[parent] |= times if parent_timed else {}
    kinds[child] |= times if child_timed else {}
    stypes = {"price": "numerical", "count": "numerical", 'good "one"': "categorical", "label": "categorical"}
    schema = Schema(
        [
            Table(
                child,
                pkey_col="id",
                time_col="time" if child_timed else None,
                stypes=stypes | {"seen": "timestamp"},
            ),
            Table(
                parent,
                pkey_col=pkey,
                time_col="time" if parent_timed else None,
                stypes={"part": "categorical"},
            ),
        ],
        [Link(child, first, parent), Link(child, second, parent), Link(child, "self", child)],
    )
    data = {
        name: draw(st.lists(st.fixed_dictionaries({c: s for c, (_, s) in kinds[name].items()}), max_size=8))
        for name in kinds
    }
    arrow = {
        name: pa.Table.from_pylist(
            data[name], schema=pa.schema([(c, t) for c, (t, _) in kinds[name].items()])
        )
        for name in kinds
    }
    return schema, data, arrow


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(world=worlds())
def test_store_holds_what_the_twin_says(tmp_path_factory, world):
    schema, data, arrow = world
    store = build(tmp_path_factory.mktemp("store") / "x.rh", schema, arrow)
    store.verify()
    ordered = check_against_twin(store, schema, data)
    for name, rows in ordered.items():
        quoted = name.replace('"', '""')
        frame = store.connect().sql(f'SELECT * FROM "{quoted}"').to_arrow_table()
        assert frame.select(list(arrow[name].column_names)).to_pylist() == rows
        assert frame["_rh_row"].to_pylist() == list(range(len(rows)))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(world=worlds(), anchor=STAMPS.filter(bool))
def test_store_as_of_a_time_is_the_store_of_the_rows_up_to_it(tmp_path_factory, world, anchor):
    schema, data, arrow = world
    folder = tmp_path_factory.mktemp("store")
    visible = {}
    for name, table in schema.tables.items():
        keep = [
            table.time_col is None or (row["time"] is not None and row["time"] <= anchor)
            for row in data[name]
        ]
        visible[name] = arrow[name].filter(pa.array(keep, pa.bool_()))
    past = build(folder / "past.rh", schema, visible)
    view = build(folder / "full.rh", schema, arrow).as_of(anchor)
    assert view.caps().tolist() == [past.tables[name].num_rows for name in schema.tables]
    assert (view.newest_time, view.oldest_time) == (past.newest_time, past.oldest_time)
    for name, table in schema.tables.items():
        quoted = name.replace('"', '""')
        query = f'SELECT * FROM "{quoted}" ORDER BY _rh_row'
        assert view.connect().sql(query).to_arrow_table() == past.connect().sql(query).to_arrow_table()
        keys = [tuple(row[c] for c in table.pkey) for row in data[name]]
        keys = keys if len(table.pkey) > 1 else [key[0] for key in keys]
        if keys:
            assert view.rows_of(name, keys).tolist() == past.rows_of(name, keys).tolist()


# Single cases.


SCHEMA = Schema(
    [
        Table("users", pkey_col="id"),
        Table("posts", time_col="at", stypes={"score": "numerical", "kind": "categorical"}),
    ],
    [Link("posts", "user", "users")],
)
TABLES = {
    "users": pa.table({"id": [10, 20, 20, None]}),
    "posts": pa.table(
        {
            "user": pa.array([20.0, 10.0, 99.0, None]),
            "at": pa.array([3, 1, 2, None], pa.timestamp("us")),
            "score": [1e300, -1e300, math.inf, math.nan],
            "kind": [1.5, math.nan, 1.5, None],
        }
    ),
}


def small(path, **changed):
    return build(path, SCHEMA, TABLES | changed)


def posts(column, values):
    return TABLES["posts"].set_column(TABLES["posts"].column_names.index(column), column, pa.array(values))


def test_numbers_beyond_float32_become_infinite_and_nan_is_null(tmp_path):
    stored = small(tmp_path / "x.rh").tables["posts"]
    assert stored.field_values("score").tolist()[:3] == [-math.inf, math.inf, math.inf]
    assert math.isnan(stored.field_values("score")[3])
    assert stored.field_values("kind").tolist() == [-1, 0, 0, -1]
    assert stored.categories("kind") == ["1.5"]


def test_keys_of_unlike_numeric_types_meet_and_repeated_keys_are_counted(tmp_path):
    store = small(tmp_path / "x.rh")
    link = store.links["posts.user"]
    assert link.parents[:].tolist() == [0, -1, 1, -1]
    assert (link.nulls, link.dangling) == (1, 1)
    assert (store.tables["users"].null_keys, store.tables["users"].duplicate_keys) == (1, 1)


def test_a_rounded_comparison_of_keys_gives_one_parent_a_child(tmp_path):
    users = pa.table({"id": [2**53, 2**53 + 1]})
    store = small(tmp_path / "x.rh", users=users, posts=posts("user", [2.0**53] * 4))
    assert store.links["posts.user"].parents[:].tolist() == [0, 0, 0, 0]


def test_text_keys_meet_numbers_written_alike(tmp_path):
    store = small(tmp_path / "x.rh", posts=posts("user", ["20", "10", " 10", "020"]))
    assert store.links["posts.user"].parents[:].tolist() == [0, -1, 1, -1]


def test_infinite_timestamps_are_null(tmp_path):
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE t AS SELECT unnest(['infinity', '-infinity', '1970-01-02'])::TIMESTAMP AS at"
    )
    schema = Schema([Table("t", time_col="at")])
    write_store(tmp_path / "x.rh", schema, connection, fingerprint="")
    assert Store.open(tmp_path / "x.rh").tables["t"].time[:].tolist() == [
        86_400_000_000,
        NULL_TIME,
        NULL_TIME,
    ]


def test_timestamps_of_all_kinds_become_microseconds_in_utc(tmp_path):
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE t AS SELECT DATE '1970-01-02' AS d, TIMESTAMP_NS '1970-01-01 00:00:00.000001400' AS n,"
        " '1970-01-01 00:00:01' AS s, TIMESTAMPTZ '1970-01-01 01:00:00+01' AS z, 'infinity'::TIMESTAMP AS i"
    )
    schema = Schema([Table("t", stypes=dict.fromkeys("dnszi", "timestamp"))])
    write_store(tmp_path / "x.rh", schema, connection, fingerprint="")
    stored = Store.open(tmp_path / "x.rh").tables["t"]
    assert [int(stored.field_values(c)[0]) for c in "dnszi"] == [86_400_000_000, 1, 1_000_000, 0, INT64_MIN]


def test_a_million_rows_stream_in_order_under_a_small_memory_limit(tmp_path):
    connection = duckdb.connect()
    connection.execute(
        "CREATE VIEW t AS SELECT i AS id, (i * 7919) % 1000003 AS parent, "
        " make_timestamp((i * 31) % 1009) AS at, i % 5 AS kind FROM range(600000) r(i)"
    )
    schema = Schema(
        [Table("t", pkey_col="id", time_col="at", stypes={"kind": "categorical"})], [Link("t", "parent", "t")]
    )
    write_store(tmp_path / "x.rh", schema, connection, fingerprint="", memory_limit="150MB")
    store = Store.open(tmp_path / "x.rh", memory="mmap")
    store.verify()
    position = np.arange(600_000)
    order = np.lexsort((position, position * 31 % 1009))
    np.testing.assert_array_equal(store.tables["t"].order[:], order)
    row = np.empty(600_000, np.int64)
    row[order] = position
    parent = order * 7919 % 1_000_003
    expected = np.where(parent < 600_000, row[np.minimum(parent, 599_999)], -1)
    np.testing.assert_array_equal(store.links["t.parent"].parents[:], expected)
    assert [
        store.tables["t"].categories("kind")[c] for c in store.tables["t"].field_values("kind", order[:5])
    ] == [str(order[i] % 5) for i in order[:5]]


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        (
            {"posts": TABLES["posts"].rename_columns(["usr", "at", "score", "kind"])},
            SchemaError,
            "table 'posts' has no column 'user'. Did you mean 'usr'?",
        ),
        (
            {"users": pa.table({"id": [1], "_RH_x": [1]})},
            SchemaError,
            "table 'users', column '_RH_x': names that begin with _rh_ are the store's own;"
            " rename the column with sql=",
        ),
        (
            {"posts": posts("at", ["soon"] * 4)},
            SourceError,
            "table 'posts': the time column 'at' has type VARCHAR, not TIMESTAMP",
        ),
        (
            {"posts": posts("score", ["1", "2", "many", None])},
            SourceError,
            "table 'posts', column 'score': the value 'many' cannot be read as DOUBLE;"
            " it is declared numerical; declare another stype or exclude it",
        ),
        (
            {"posts": posts("score", [dt.date(2020, 1, 1)] * 4)},
            SourceError,
            "table 'posts', column 'score': the value '2020-01-01' cannot be read as DOUBLE;"
            " it is declared numerical; declare another stype or exclude it",
        ),
        (
            {"posts": posts("user", [dt.date(2020, 1, 1)] * 4)},
            SourceError,
            "the keys of link posts.user -> users cannot be joined: Conversion Error:"
            " Unimplemented type for cast (BIGINT -> DATE) when casting from source column k0",
        ),
    ],
)
def test_what_cannot_be_stored_is_named_and_leaves_nothing(tmp_path, changed, error, message):
    with pytest.raises(error) as caught:
        small(tmp_path / "x.rh", **changed)
    assert str(caught.value) == message
    assert os.listdir(tmp_path) == []


def test_a_foreign_key_named_like_a_column_of_the_store_is_refused(tmp_path):
    schema = Schema([Table("t", pkey_col="id")], [Link("t", "row", "t")])
    with pytest.raises(SchemaError) as caught:
        build(tmp_path / "x.rh", schema, {"t": pa.table({"id": [1], "row": [1]})})
    assert str(caught.value) == (
        "table 't': a foreign key cannot be named 'row', for its rows would be in _rh_row,"
        " a column of the store's own; rename the column with sql="
    )


def test_a_view_that_fails_is_a_source_error(tmp_path):
    connection = duckdb.connect()
    connection.execute("CREATE VIEW t AS SELECT error('broken') AS a")
    with pytest.raises(SourceError, match=r"^table 't' cannot be read: Invalid Input Error: broken$"):
        write_store(tmp_path / "x.rh", Schema([Table("t")]), connection, fingerprint="")


def test_too_little_memory_is_a_store_error(tmp_path):
    connection = duckdb.connect()
    connection.execute("CREATE VIEW t AS SELECT i AS id, repeat('x', 100) || i AS s FROM range(2000000) r(i)")
    schema = Schema([Table("t", pkey_col="s")])
    with pytest.raises(StoreError, match=r"^table 't' cannot be read: DuckDB ran out of memory"):
        write_store(tmp_path / "x.rh", schema, connection, fingerprint="", memory_limit="4MB")
    assert os.listdir(tmp_path) == []


# How a store takes its place.


def test_something_that_is_no_store_is_never_replaced(tmp_path):
    folder = tmp_path / "precious"
    folder.mkdir()
    (folder / "thesis.txt").write_text("…")
    with pytest.raises(StoreError) as caught:
        small(folder)
    assert str(caught.value) == (
        f"{folder} is a folder without a store's manifest.json, so it is not replaced;"
        " remove it or choose another path"
    )
    with pytest.raises(StoreError) as caught:
        small(folder / "thesis.txt")
    assert str(caught.value) == f"{folder / 'thesis.txt'} is a file, not a store; choose another path"
    assert os.listdir(folder) == ["thesis.txt"]


def test_an_empty_folder_and_a_link_to_a_store_are_replaced(tmp_path):
    (tmp_path / "x.rh").mkdir()
    small(tmp_path / "x.rh")
    (tmp_path / "alias").symlink_to("x.rh")
    small(tmp_path / "alias", users=pa.table({"id": [1]}))
    assert Store.open(tmp_path / "x.rh").tables["users"].num_rows == 1
    assert sorted(os.listdir(tmp_path)) == ["alias", "x.rh"]


@pytest.mark.parametrize("exchange", [True, False])
def test_a_new_store_replaces_the_old_one_and_leaves_nothing_else(tmp_path, monkeypatch, exchange):
    if not exchange:
        monkeypatch.setattr(publish, "_exchange", lambda folder, target: False)
    old = small(tmp_path / "x.rh")
    new = small(tmp_path / "x.rh", users=pa.table({"id": [1]}))
    assert new.tables["users"].num_rows == 1
    assert os.listdir(tmp_path) == ["x.rh"]
    with pytest.raises(StoreError) as caught:
        old.connect()
    assert (
        str(caught.value) == f"the store {tmp_path / 'x.rh'} was replaced since it was opened; open it again"
    )


def test_exchange_is_used_where_the_system_has_it(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    if not publish._exchange(tmp_path / "a", tmp_path / "b"):
        pytest.skip("this file system cannot exchange two names")
    assert os.listdir(tmp_path / "a") == ["b"]


def test_a_store_moved_away_by_a_killed_build_comes_back(tmp_path):
    small(tmp_path / "x.rh")
    os.rename(tmp_path / "x.rh", tmp_path / ".x.rh.replaced-1-0123abcd")
    Store.open(tmp_path / "x.rh").verify()
    assert os.listdir(tmp_path) == ["x.rh"]


def test_a_failed_second_rename_brings_the_old_store_back(tmp_path, monkeypatch):
    monkeypatch.setattr(publish, "_exchange", lambda folder, target: False)
    small(tmp_path / "x.rh")
    rename = os.rename

    def refuse(source, target):
        if (
            ".building-" in str(source)
            and os.listdir(tmp_path) != ["x.rh"]
            and not (tmp_path / "x.rh").exists()
        ):
            raise OSError(5, "Input/output error")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(OSError, match="Input/output error"):
        small(tmp_path / "x.rh", users=pa.table({"id": [1]}))
    assert Store.open(tmp_path / "x.rh").tables["users"].num_rows == 4
    assert os.listdir(tmp_path) == ["x.rh"]


def test_leftovers_of_dead_builds_are_swept_and_living_ones_kept(tmp_path):
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True
    )
    gone = int(dead.stdout)
    leftovers = {
        name: tmp_path / f".x.rh.{name}-0123abcd" for name in (f"building-{gone}", f"replaced-{gone}")
    }
    for folder in leftovers.values():
        folder.mkdir()
        (folder / "junk").touch()
    starting = tmp_path / f".x.rh.building-{os.getppid()}-0123abcd"
    starting.mkdir()
    empty = tmp_path / f".x.rh.building-{gone}-ffffffff"
    empty.mkdir()
    other = tmp_path / f".y.rh.building-{gone}-0123abcd"
    other.mkdir()
    with publish.building(tmp_path / "x.rh") as living:
        (living / "part").touch()
        small(tmp_path / "x.rh")
        assert sorted(os.listdir(tmp_path)) == sorted([living.name, starting.name, other.name, "x.rh"])
        (living / "manifest.json").write_text('{"format": "relhop-store"}')


def test_a_full_disk_is_an_os_error_and_leaves_the_old_store(tmp_path):
    small(tmp_path / "x.rh")
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
    many = pa.table({"id": np.random.default_rng(0).integers(0, 2**62, 100_000)})
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            small(tmp_path / "x.rh", users=many)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    Store.open(tmp_path / "x.rh").verify()
    assert os.listdir(tmp_path) == ["x.rh"]


def test_tables_may_be_pandas_frames(tmp_path):
    frame = pd.DataFrame({"id": ["a", None]})
    store = build(tmp_path / "x.rh", Schema([Table("t", pkey_col="id")]), {"t": frame})
    assert store.rows_of("t", ["a", "b"]).tolist() == [0, -1]
