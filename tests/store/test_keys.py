"""Keys that ascend are known to be unique without grouping; of all others each is indexed with its first row."""

import itertools

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relhop.schema import Schema, Table
from relhop.sources.columns import descents
from relhop.store.keys import index_keys, keyed_rows
from relhop.store.tables import Build, sort_rows

PARTS = st.one_of(st.none(), st.integers(-2, 2))


@given(keys=st.lists(st.tuples(PARTS, st.one_of(st.none(), st.sampled_from("abc"))), max_size=8))
def test_no_null_and_no_descent_means_keys_that_ascend_strictly(keys):
    connection = duckdb.connect()
    columns = {
        "n": pa.array([n for n, _ in keys], pa.int64()),
        "t": pa.array([t for _, t in keys], pa.string()),
    }
    connection.register("rows", pa.table(columns))
    for key, values in ((("n",), [key[:1] for key in keys]), (("n", "t"), keys)):
        [(nulls, descending)] = connection.execute(descents(key, "rows")).fetchall()
        assert nulls == sum(None in value for value in values)
        ascending = nulls == 0 and all(a < b for a, b in itertools.pairwise(values))
        assert (nulls == 0 and descending == 0) == ascending


@pytest.mark.parametrize(
    ("keys", "index", "counts"),
    [
        ([3, 5, 9], {(3, 0), (5, 1), (9, 2)}, (0, 0)),
        ([9, 3, 5], {(9, 0), (3, 1), (5, 2)}, (0, 0)),
        ([3, 3, None, 2, 3], {(3, 0), (2, 3)}, (1, 2)),
        ([1, 2, None], {(1, 0), (2, 1)}, (1, 0)),
    ],
)
def test_each_key_is_found_with_its_first_row(tmp_path, keys, index, counts):
    connection = duckdb.connect()
    connection.register("t", pa.table({"id": pa.array(keys, pa.int64())}))
    build = Build(tmp_path, tmp_path, connection, Schema([Table("t", pkey_col="id")]))
    sort_rows(build, "t")
    index_keys(build, "t")
    found = connection.execute(f"SELECT k0, parent FROM {keyed_rows(build, 't')}").fetchall()
    assert (len(found), set(found), build.keys["t"]) == (len(index), index, counts)
