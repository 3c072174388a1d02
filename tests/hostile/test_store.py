"""Stores that are truncated, flipped, foreign or lying: each raises our error and names the file."""

import contextlib
import json
import random
import shutil

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from relhop.errors import CorruptStore, RelhopError
from relhop.schema import Link, Schema, Table
from relhop.store import layout
from relhop.store.reader import Store
from relhop.store.writer import write_store

SCHEMA = Schema(
    [
        Table("users", pkey_col="id", stypes={"name": "categorical"}),
        Table("posts", time_col="at", stypes={"score": "numerical", "kind": "categorical"}),
    ],
    [Link("posts", "user", "users")],
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "x.rh"
    connection = duckdb.connect()
    connection.execute("CREATE TABLE users AS SELECT i AS id, 'n' || i % 3 AS name FROM range(5) r(i)")
    connection.execute(
        "CREATE TABLE posts AS SELECT i % 6 AS user, CASE WHEN i < 9 THEN make_timestamp(i * 10) END AS at,"
        " i * 0.5 AS score, 'k' || i % 2 AS kind FROM range(11) r(i)"
    )
    write_store(path, SCHEMA, connection, fingerprint="f")
    return path


@pytest.fixture
def path(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / "x.rh")


FILES = [
    "manifest.json",
    "tables/users/columns.parquet",
    "tables/users/rows.bin",
    "tables/users/categories.parquet",
    "tables/posts/columns.parquet",
    "tables/posts/time.bin",
    "tables/posts/order.bin",
    "tables/posts/rows.bin",
    "tables/posts/categories.parquet",
    "links/posts.user/parents.bin",
    "links/posts.user/offsets.bin",
    "links/posts.user/children.bin",
]


def seal(path, **changes):
    """Makes manifest and checksums fit whatever the files hold; `changes` are made in the manifest."""
    content = json.loads((path / "manifest.json").read_text())
    content.pop("checksum")
    for keys, value in changes.items():
        *parents, last = keys.split("/")
        place = content
        for key in parents:
            place = place[key]
        place[last] = value
    for file, entry in content["files"].items():
        if (path / file).is_file():
            with (path / file).open("rb") as opened:
                entry |= {"bytes": (path / file).stat().st_size, "blake2b": layout.checksum_of(opened)}
    (path / "manifest.json").write_text(json.dumps(content | {"checksum": layout._checksum(content)}))


def rewrite(path, file, dtype, change):
    values = np.fromfile(path / file, dtype)
    change(values)
    values.tofile(path / file)
    seal(path)


def test_the_list_of_files_is_complete(sound):
    assert sorted(str(f.relative_to(sound)) for f in sound.rglob("*") if f.is_file()) == sorted(FILES)


@pytest.mark.parametrize("file", FILES[1:])
def test_a_missing_or_truncated_or_longer_file_is_named_at_open(path, file):
    data = (path / file).read_bytes()
    for changed in (data[:-1], b"", data + b"\0"):
        (path / file).write_bytes(changed)
        with pytest.raises(CorruptStore) as caught:
            Store.open(path)
        assert (
            str(caught.value)
            == f"{path / file} has {len(changed)} bytes, not {len(data)}; build the store again"
        )
    (path / file).unlink()
    with pytest.raises(CorruptStore) as caught:
        Store.open(path)
    assert str(caught.value) == f"{path / file} is missing; build the store again"


@pytest.mark.parametrize("file", FILES[1:])
def test_a_flipped_bit_is_named_by_verify(path, file):
    data = bytearray((path / file).read_bytes())
    data[len(data) // 2] ^= 1
    (path / file).write_bytes(data)
    with pytest.raises(CorruptStore) as caught:
        Store.open(path).verify()
    assert str(path / file) in str(caught.value)


@pytest.mark.parametrize("file", FILES)
def test_flipped_bits_anywhere_raise_our_error_or_nothing(path, file):
    rng = random.Random(file)
    sound = (path / file).read_bytes()
    for _ in range(20):
        data = bytearray(sound)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        (path / file).write_bytes(data)
        with pytest.raises(RelhopError):
            Store.open(path, memory=rng.choice(["ram", "mmap"])).verify()


@pytest.mark.parametrize("file", [f for f in FILES if f.endswith(".parquet")])
def test_damaged_parquet_behind_a_fitting_checksum_raises_our_error(path, file):
    rng = random.Random(file)
    sound = (path / file).read_bytes()
    for _ in range(20):
        data = bytearray(sound)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        (path / file).write_bytes(data)
        seal(path)
        # What is damaged may be a page that nothing reads here, or padding.
        with contextlib.suppress(CorruptStore):
            store = Store.open(path)
            store.verify()
            store.rows_of("users", [1, 2])
            store.keys_of("users", [0])
            store.tables["posts"].categories("kind")


def test_every_truncation_of_the_manifest_raises_our_error(path):
    data = (path / "manifest.json").read_bytes()
    for length in range(0, len(data) - 1, 97):
        (path / "manifest.json").write_bytes(data[:length])
        with pytest.raises(CorruptStore, match=r"manifest.json is damaged: it is not JSON"):
            Store.open(path)


LIES = [
    ({"tables/posts/rows": 12}, "edges, nulls and dangling keys of link posts.user: 11 contradicts 12"),
    ({"tables/posts/null_times": 12}, "table 'posts' of 11 rows has 12 null times"),
    ({"tables/users/null_times": 1}, "table 'users' of 5 rows has 1 null times"),
    ({"tables/users/duplicate_keys": 6}, "table 'users' of 5 rows has 6 null and repeated keys"),
    ({"tables/posts/record_size": 16}, "the record size of table 'posts': 16 contradicts 8"),
    ({"tables/posts/wide": True}, "the size of tables/posts/order.bin: 44 contradicts 88"),
    ({"tables/users/categories": {}}, "the categorical columns of table 'users': [] contradicts ['name']"),
    ({"links/posts.user/edges": 11}, "edges, nulls and dangling keys of link posts.user: 12 contradicts 11"),
    (
        {"links/posts.user/edges": 9, "links/posts.user/dangling": 2},
        "the size of links/posts.user/children.bin: 40 contradicts 36",
    ),
    ({"links": {}}, "links: [] contradicts ['posts.user']"),
    ({"tables": {}}, "tables: [] contradicts ['users', 'posts']"),
]


@pytest.mark.parametrize(("changes", "message"), LIES)
def test_a_lying_manifest_is_caught_at_open(path, changes, message):
    seal(path, **changes)
    with pytest.raises(CorruptStore) as caught:
        Store.open(path)
    assert str(caught.value) == f"{path / 'manifest.json'}: {message}"


def test_fields_beyond_the_record_are_caught_at_open(path):
    fields = json.loads((path / "manifest.json").read_text())["tables"]["posts"]["fields"]
    fields[1]["offset"] = 8
    seal(path, **{"tables/posts/fields": fields})
    with pytest.raises(
        CorruptStore, match=r"manifest.json: the record's fields of table 'posts': .*offset=8"
    ):
        Store.open(path)


def test_a_file_outside_the_store_is_not_listed(path):
    files = json.loads((path / "manifest.json").read_text())["files"]
    seal(path, files=files | {"../../etc/passwd": {"bytes": 1, "blake2b": ""}})
    with pytest.raises(CorruptStore, match=r"manifest.json: files: "):
        Store.open(path)


@pytest.mark.parametrize(
    ("changes", "file", "message"),
    [
        ({"tables/posts/null_times": 1}, "tables/posts/time.bin", ": not 1 null times at its end"),
        ({"tables/posts/null_times": 3}, "tables/posts/time.bin", ": not 3 null times at its end"),
        ({"tables/users/categories": {"name": 4}}, "tables/users/categories.parquet", " has 3 rows, not 4"),
    ],
)
def test_counts_that_the_files_belie_are_caught_at_open(path, changes, file, message):
    seal(path, **changes)
    with pytest.raises(CorruptStore) as caught:
        Store.open(path)
    assert str(caught.value) == f"{path / file}{message}"


@pytest.mark.parametrize(
    ("file", "dtype", "place", "value", "message"),
    [
        ("links/posts.user/offsets.bin", "<u8", -1, 2**63, ": offsets do not run from 0 to 10"),
        ("links/posts.user/offsets.bin", "<u8", 0, 1, ": offsets do not run from 0 to 10"),
        ("links/posts.user/offsets.bin", "<u8", 2, 2**64 - 1, ": offsets do not ascend"),
        (
            "links/posts.user/offsets.bin",
            "<u8",
            1,
            1,
            ": a child is listed under a parent that is not its own",
        ),
        ("links/posts.user/children.bin", "<u4", 0, 11, ": a child beyond the last row"),
        (
            "links/posts.user/children.bin",
            "<u4",
            0,
            1,
            ": a child is listed under a parent that is not its own",
        ),
        ("links/posts.user/children.bin", "<u4", 1, 0, ": children of a parent do not ascend"),
        ("links/posts.user/parents.bin", "<u4", 0, 5, ": a parent beyond the last row"),
        ("links/posts.user/parents.bin", "<u4", 5, 0, ": 11 rows have a parent, not 10"),
        ("tables/posts/time.bin", "<i8", 3, 0, ": times do not ascend"),
        ("tables/posts/time.bin", "<i8", 3, 31, ": column _rh_time contradicts the store's arrays"),
        ("tables/posts/order.bin", "<u4", 3, 2**32 - 1, ": not a permutation of rows"),
        ("tables/posts/order.bin", "<u4", 3, 4, ": not a permutation of rows"),
        ("tables/posts/rows.bin", "<i4", 1, 2, ": column 'kind' has a code beyond its 2 categories"),
        ("tables/posts/rows.bin", "<i4", 1, -2, ": column 'kind' has a code beyond its 2 categories"),
    ],
)
def test_arrays_that_lie_behind_fitting_checksums_are_caught(path, file, dtype, place, value, message):
    rewrite(path, file, dtype, lambda values: values.__setitem__(place, value))
    with pytest.raises(CorruptStore) as caught:
        Store.open(path).verify()
    culprit = {
        "column _rh_time": "tables/posts/columns.parquet",
        "a child is": "links/posts.user/children.bin",
    }
    file = next((other for words, other in culprit.items() if words in message), file)
    assert str(caught.value) == f"{path / file}{message}"


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        (
            "tables/posts/columns.parquet",
            lambda t: t.set_column(t.column_names.index("_rh_row"), "_rh_row", pa.array([*range(10), 12])),
            ": column _rh_row contradicts the store's arrays",
        ),
        ("tables/posts/columns.parquet", lambda t: t.drop(["_rh_user"]), ": its columns: "),
        (
            "tables/users/categories.parquet",
            lambda t: t.set_column(1, "code", pa.array([0, 2, 1], pa.int32())),
            " is damaged: the codes of column 'name' are not 0 to 2",
        ),
        (
            "tables/users/categories.parquet",
            lambda t: t.set_column(0, "column", pa.array(["name", "name", "id"])),
            ": column 'name' has not 3 categories",
        ),
        ("tables/users/categories.parquet", lambda t: t.drop(["value"]), " is damaged: "),
    ],
)
def test_parquet_that_lies_behind_a_fitting_checksum_is_caught(path, file, change, message):
    pq.write_table(change(pq.read_table(path / file, partitioning=None)), path / file)
    seal(path)
    with pytest.raises(CorruptStore) as caught:
        Store.open(path).verify()
    assert str(caught.value).startswith(f"{path / file}{message}")


def test_a_file_removed_after_opening_is_named_by_verify(path):
    store = Store.open(path)
    (path / FILES[2]).unlink()
    with pytest.raises(CorruptStore) as caught:
        store.verify()
    assert str(caught.value) == f"{path / FILES[2]} is missing; build the store again"
