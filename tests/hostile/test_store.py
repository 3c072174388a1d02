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

from relhop import _native
from relhop.errors import CorruptStore, RelhopError
from relhop.sampling import SeedSampler
from relhop.schema import Link, Schema, Table
from relhop.store import layout
from relhop.store.manifest import content_checksum
from relhop.store.reader import Store
from relhop.store.writer import write_store

SCHEMA = Schema(
    [
        Table("users", pkey_col="id", stypes={"name": "categorical"}),
        Table("posts", time_col="at", stypes={"score": "numerical", "kind": "categorical"}),
    ],
    [Link("posts", "user", "users", weight="score")],
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
    "tables/users/rows.crc",
    "tables/users/rows.bin",
    "tables/users/categories.parquet",
    "tables/posts/columns.parquet",
    "tables/posts/time_blocks.bin",
    "tables/posts/time.bin",
    "tables/posts/order.bin",
    "tables/posts/rows.crc",
    "tables/posts/rows.bin",
    "tables/posts/categories.parquet",
    "links/posts.user/parents.bin",
    "links/posts.user/offsets.bin",
    "links/posts.user/children.bin",
    "links/posts.user/weights.bin",
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
                checksum = None if entry["blake2b"] is None else layout.checksum_of(opened)
                entry |= {"bytes": (path / file).stat().st_size, "blake2b": checksum}
    (path / "manifest.json").write_text(json.dumps(content | {"checksum": content_checksum(content)}))


COUNTS = {
    "links/posts.user/offsets.bin": (6, 10),
    "links/posts.user/children.bin": (10, 11),
    "links/posts.user/parents.bin": (11, 5),
    "tables/posts/order.bin": (11, 11),
}
"""How many row numbers a file holds, and how many rows their table has."""


def rewrite(path, file, place, value):
    """Changes one number of an array and makes the checksums fit."""
    data = np.fromfile(path / file, np.uint8)
    if file.endswith("/time.bin"):
        blocks = (path / file).with_name("time_blocks.bin")
        times = _native.PackedTimes(np.fromfile(blocks, np.uint8), data, 11).decode(0, 11)
        times[place] = value
        changed, stream = _native.encode_times(times, 0)
        changed.tofile(blocks)
        data = np.append(stream, np.zeros(8, np.uint8))
    elif file.endswith("/rows.bin"):
        data.view("<i4")[place] = value
    elif file.endswith("/weights.bin"):
        data.view("<f8")[place] = value
    else:
        size, count = COUNTS[file]
        width = _native.width_of(count)
        numbers = _native.PackedRows(data, size, width).decode(0, size)
        numbers[place] = value
        data = _native.pack((numbers & ((1 << width) - 1)).astype(np.uint64), width)
    data.tofile(path / file)
    if file.endswith("/rows.bin"):
        _native.crc32c_blocks(data).tofile((path / file).with_name("rows.crc"))
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
    # What is wrong with times shows when they are opened; time.bin then stands for both of its files.
    assert str(path / file.replace("_blocks", "")) in str(caught.value).replace("_blocks", "")


def test_a_block_of_records_that_its_checksum_does_not_fit_is_named_by_verify(path):
    (path / "tables/posts/rows.crc").write_bytes(bytes(4))
    seal(path)
    records = path / "tables/posts/rows.bin"
    with pytest.raises(CorruptStore) as caught:
        Store.open(path).verify()
    assert str(caught.value) == (
        f"'{records}': block 0 (bytes 0 to {records.stat().st_size - 1}) is damaged: its checksum does not fit;"
        " the first row in it is 0; build the store again"
    )


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
    ({"tables/users/rows": 6}, "the size of tables/users/rows.bin: 20 contradicts 24"),
    ({"tables/users/categories": {}}, "the categorical columns of table 'users': [] contradicts ['name']"),
    ({"links/posts.user/edges": 11}, "edges, nulls and dangling keys of link posts.user: 12 contradicts 11"),
    (
        {"links/posts.user/edges": 9, "links/posts.user/dangling": 2},
        "the size of links/posts.user/weights.bin: 80 contradicts 72",
    ),
    ({"links/posts.user/null_weights": 12}, "link posts.user has 12 null weights of 11"),
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
    ("file", "checksum"), [("tables/posts/rows.bin", "00" * 32), ("tables/posts/rows.crc", None)]
)
def test_each_file_has_the_one_checksum_that_its_kind_has(path, file, checksum):
    files = json.loads((path / "manifest.json").read_text())["files"]
    seal(path, files=files | {file: files[file] | {"blake2b": checksum}})
    with pytest.raises(CorruptStore, match=r"manifest.json: files without a checksum in it: "):
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
    ("file", "place", "value", "message"),
    [
        ("links/posts.user/offsets.bin", -1, 15, ": offsets do not run from 0 to 10"),
        ("links/posts.user/offsets.bin", 0, 1, ": offsets do not run from 0 to 10"),
        ("links/posts.user/offsets.bin", 2, 15, ": offsets do not ascend"),
        (
            "links/posts.user/offsets.bin",
            1,
            1,
            ": a child is listed under a parent that is not its own",
        ),
        ("links/posts.user/children.bin", 0, 11, ": a child beyond the last row"),
        ("links/posts.user/children.bin", 9, -1, ": a child beyond the last row"),
        (
            "links/posts.user/children.bin",
            0,
            1,
            ": a child is listed under a parent that is not its own",
        ),
        ("links/posts.user/children.bin", 1, 0, ": children of a parent do not ascend"),
        ("links/posts.user/parents.bin", 0, 5, ": a parent beyond the last row"),
        ("links/posts.user/parents.bin", 10, 6, ": a parent beyond the last row"),
        ("links/posts.user/parents.bin", 5, 0, ": 11 rows have a parent, not 10"),
        ("links/posts.user/weights.bin", 1, 2.5, ": not the sums of the column 'score'"),
        ("links/posts.user/weights.bin", 2, 3.5, ": not the sums of the column 'score'"),
        ("links/posts.user/weights.bin", 9, 6.0, ": not the sums of the column 'score'"),
        ("links/posts.user/weights.bin", 0, -1.0, ": the sums of a list's weights fall, or are not finite"),
        ("links/posts.user/weights.bin", 1, -1.0, ": the sums of a list's weights fall, or are not finite"),
        ("links/posts.user/weights.bin", 5, np.nan, ": the sums of a list's weights fall, or are not finite"),
        ("links/posts.user/weights.bin", 9, np.inf, ": the sums of a list's weights fall, or are not finite"),
        ("tables/posts/time.bin", 3, 0, ": times do not ascend"),
        ("tables/posts/time.bin", 3, 31, ": column _rh_time contradicts the store's arrays"),
        ("tables/posts/order.bin", 3, -1, ": not a permutation of rows"),
        ("tables/posts/order.bin", 3, 11, ": not a permutation of rows"),
        ("tables/posts/order.bin", 3, 4, ": not a permutation of rows"),
        ("tables/posts/rows.bin", 1, 2, ": column 'kind' has a code beyond its 2 categories"),
        ("tables/posts/rows.bin", 1, -2, ": column 'kind' has a code beyond its 2 categories"),
    ],
)
def test_arrays_that_lie_behind_fitting_checksums_are_caught(path, file, place, value, message):
    rewrite(path, file, place, value)
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


@pytest.mark.parametrize("file", [f for f in FILES if f.endswith(".bin") and "time" not in f])
def test_a_file_of_another_size_than_the_counts_demand_is_caught_at_open(path, file):
    sound = (path / file).read_bytes()
    for changed in (sound + bytes(8), sound[:-8]):
        (path / file).write_bytes(changed)
        seal(path)
        with pytest.raises(CorruptStore) as caught:
            Store.open(path)
        message = f"the size of {file}: {len(changed)} contradicts {len(sound)}"
        assert str(caught.value) == f"{path / 'manifest.json'}: {message}"


@pytest.mark.parametrize(("file", "rows"), [("children", [0, 1, 2, 3, 4]), ("parents", [])])
def test_rows_beyond_the_table_are_caught_while_sampling(path, file, rows):
    place, value = (0, 12) if file == "children" else (0, 6)
    rewrite(path, f"links/posts.user/{file}.bin", place, value)
    sampler = SeedSampler(Store.open(path), [-1])
    with pytest.raises(CorruptStore):
        sampler.sample("users" if rows else "posts", np.array(rows or range(11)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1.0, 0.0, 1e308])
@pytest.mark.parametrize("place", range(10))
@pytest.mark.parametrize("strategy", ["weighted", "weighted with replacement"])
def test_weights_that_lie_crash_nothing(path, place, value, strategy):
    rewrite(path, "links/posts.user/weights.bin", place, value)
    store = Store.open(path)
    for epoch in range(20):
        found = SeedSampler(store, [1, 1], strategy).sample("users", np.arange(5), epoch=epoch)
        assert set(found.nodes["posts"].rows.tolist()) <= set(range(11))


@pytest.fixture(scope="module")
def sound_blocks(tmp_path_factory):
    """A store whose times fill three blocks: 0, 10, 20, ... microseconds; a distance takes 7 bits."""
    path = tmp_path_factory.mktemp("blocks") / "x.rh"
    connection = duckdb.connect()
    connection.execute("CREATE TABLE t AS SELECT make_timestamp(i * 10) AS at FROM range(384) r(i)")
    write_store(path, Schema([Table("t", time_col="at")]), connection, fingerprint="f")
    return path


BLOCK_BYTES = 16 * 7  # Of the stream, a block of 128 rows.


@pytest.mark.parametrize("memory", ["ram", "mmap"])
@pytest.mark.parametrize(
    ("number", "word", "value", "message"),
    [
        (0, 2, (2**40 << 8) | 7, "block 0 of times lies beyond their end"),
        (0, 2, (2**56 - 1) << 8 | 7, "block 0 of times lies beyond their end"),
        (1, 2, (2 * BLOCK_BYTES + 1) << 8 | 14, "block 1 of times lies beyond their end"),
        (1, 2, (3 * BLOCK_BYTES + 9) << 8, "block 1 of times lies beyond their end"),
        (0, 2, 58, "block 0 of times lies beyond their end"),
        (0, 2, 255, "block 0 of times lies beyond their end"),
        (2, 2, BLOCK_BYTES << 8 | 7, f"its last block ends at byte {2 * BLOCK_BYTES + 8} of 344"),
        (2, 2, 2 * BLOCK_BYTES << 8 | 8, f"its last block ends at byte {3 * BLOCK_BYTES + 24} of 344"),
    ],
)
def test_blocks_of_times_that_lie_are_caught_at_open(
    sound_blocks, tmp_path, memory, number, word, value, message
):
    path = shutil.copytree(sound_blocks, tmp_path / "x.rh")
    blocks = np.fromfile(path / "tables/t/time_blocks.bin", "<u8")
    assert blocks[2::3].tolist() == [i * BLOCK_BYTES << 8 | 7 for i in range(3)]
    blocks[3 * number + word] = value
    blocks.tofile(path / "tables/t/time_blocks.bin")
    seal(path)
    with pytest.raises(CorruptStore) as caught:
        Store.open(path, memory=memory)
    assert str(caught.value) == f"{path / 'tables/t/time_blocks.bin'}: {message}"


@pytest.mark.parametrize(
    ("word", "value", "file", "message"),
    [
        (3, 10, "time.bin", "times do not ascend"),
        (3, 1281, "columns.parquet", "column _rh_time contradicts the store's arrays"),
        (4, 2**63, "time.bin", "times do not ascend"),
        (4, 11, "time.bin", "times do not ascend"),
    ],
)
def test_bases_and_units_of_times_that_lie_are_caught_by_verify_and_crash_nothing(
    sound_blocks, tmp_path, word, value, file, message
):
    path = shutil.copytree(sound_blocks, tmp_path / "x.rh")
    blocks = np.fromfile(path / "tables/t/time_blocks.bin", "<u8")
    blocks[word] = value
    blocks.tofile(path / "tables/t/time_blocks.bin")
    seal(path)
    store = Store.open(path)
    assert all(0 <= store.cut("t", time) <= 384 for time in range(-5, 4000, 5))
    with pytest.raises(CorruptStore) as caught:
        store.verify()
    assert str(caught.value) == f"{path / 'tables/t' / file}: {message}"


def test_a_file_removed_after_opening_is_named_by_verify(path):
    store = Store.open(path)
    (path / FILES[2]).unlink()
    with pytest.raises(CorruptStore) as caught:
        store.verify()
    assert str(caught.value) == f"{path / FILES[2]} is missing; build the store again"
