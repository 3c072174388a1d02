"""Tables given as arrays: what is read of each kind, and what is refused by name."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import relhop as rh
from relhop.dtypes import NUMPY_DTYPES
from relhop.errors import SchemaError, SourceError
from relhop.schema import Stype
from relhop.sources.arrays import array_column, array_source
from relhop.sources.fingerprint import fingerprint
from tests.store.test_attributes import DTYPES, assert_same_bits, random_rows


def save_csr(path, dense, *, compressed=True, layout="csr", **changes):
    """A dense matrix as scipy.sparse.save_npz writes it."""
    rows, columns = np.nonzero(dense)
    members = {
        "indptr": np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(dense)))]).astype(np.int32),
        "indices": columns.astype(np.int32),
        "data": dense[rows, columns],
        "shape": np.array(dense.shape),
        "format": np.array(layout.encode()),
    } | changes
    (np.savez_compressed if compressed else np.savez)(path, **members)


@settings(max_examples=60, deadline=None)
@given(
    dtype=st.sampled_from([dtype for dtype in DTYPES if dtype != "bfloat16"]),
    shape=st.lists(st.integers(0, 4), max_size=3).map(tuple),
    num_rows=st.integers(0, 30),
    how=st.sampled_from(["npy", "npz", "compressed", "array", "fortran", "big", "tensor"]),
    picks=st.lists(st.integers(0, 10**6), max_size=40),
)
def test_rows_are_numpys_whatever_the_array_is(tmp_path_factory, dtype, shape, num_rows, how, picks):
    whole = random_rows(dtype, num_rows, shape)
    folder = tmp_path_factory.mktemp("arrays")
    value = whole
    if how == "npy":
        np.save(folder / "x.npy", whole)
        value = folder / "x.npy"
    elif how in ("npz", "compressed"):
        (np.savez if how == "npz" else np.savez_compressed)(folder / "x.npz", y=np.zeros(3), x=whole)
        value = f"{folder}/x.npz:x"
    elif how == "fortran":
        np.save(folder / "x.npy", np.asfortranarray(whole))
        value = folder / "x.npy"
    elif how == "big":
        value = whole.astype(whole.dtype.newbyteorder(">"))
    elif how == "tensor":
        value = torch.from_numpy(whole.copy())
    column = array_column(value, "x")
    assert (column.dtype, column.shape, column.num_rows) == (dtype, shape, num_rows)
    assert_same_bits(column.rows(0, num_rows), whole)
    assert_same_bits(column.rows(num_rows // 3, num_rows // 2), whole[num_rows // 3 : num_rows // 2])
    if num_rows:
        positions = np.array([pick % num_rows for pick in picks], np.int64)
        assert_same_bits(column.take(positions), whole[positions])


def test_bfloat16_tensors_keep_their_bits():
    tensor = torch.randn(5, 3).bfloat16().requires_grad_()
    column = array_column(tensor, "x")
    assert (column.dtype, column.shape) == ("bfloat16", (3,))
    assert torch.equal(torch.from_numpy(column.rows(1, 3)).view(torch.bfloat16), tensor.detach()[1:3])


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 20),
    st.integers(0, 6),
    st.sampled_from(["float32", "float64", "int64", "bool", "float16"]),
    st.booleans(),
    st.data(),
)
def test_rows_of_sparse_matrices_are_dense(tmp_path_factory, num_rows, width, dtype, compressed, data):
    path = tmp_path_factory.mktemp("sparse") / "x.npz"
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    dense = (rng.integers(0, 4, (num_rows, width)) * (rng.random((num_rows, width)) < 0.4)).astype(dtype)
    save_csr(path, dense, compressed=compressed)
    column = array_column(path, "x")
    assert (column.dtype, column.shape, column.num_rows) == (dtype, (width,), num_rows)
    assert_same_bits(column.rows(0, num_rows), dense)
    if num_rows:
        positions = rng.integers(0, num_rows, 10)
        assert_same_bits(column.take(positions), dense[positions])


def test_a_place_that_a_sparse_matrix_has_twice_holds_the_sum(tmp_path):
    twice = {"indptr": np.array([0, 2]), "indices": np.array([1, 1]), "data": np.array([2.0, 3.0])}
    save_csr(tmp_path / "x.npz", np.zeros((1, 3)), **twice)
    np.testing.assert_array_equal(array_column(tmp_path / "x.npz", "x").rows(0, 1), [[0, 5, 0]])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"indptr": np.array([0, 1, 9])}, "its indptr leads beyond the 2 numbers that are stored"),
        ({"indptr": np.array([0, 2, 1])}, "its indptr leads beyond the 2 numbers that are stored"),
        ({"indices": np.array([0, 3])}, "its indices name a column beyond 2"),
        ({"indices": np.array([0, -1])}, "its indices name a column beyond 2"),
    ],
)
def test_sparse_matrices_that_contradict_themselves_are_refused(tmp_path, changes, message):
    save_csr(tmp_path / "x.npz", np.eye(2), **changes)
    with pytest.raises(SourceError) as caught:
        array_column(tmp_path / "x.npz", "x").rows(0, 2)
    assert str(caught.value) == f"{tmp_path}/x.npz: {message}"


def written(folder, name, content):
    path = folder / name
    if callable(content):
        content(path)
    else:
        path.write_bytes(content)
    return path


def saved(array, **how):
    return lambda path: np.save(path, array, **how)


@pytest.mark.parametrize(
    ("name", "content", "asked", "problem"),
    [
        ("x.npy", b"", "", "{path} cannot be read: EOF: reading magic string, expected 8 bytes got 0"),
        ("x.txt", b"1", "", "{path} is neither .npy nor .npz"),
        ("x.npz", b"PK", "", "{path} cannot be read: File is not a zip file"),
        ("x.npy", saved(np.array([{}]), allow_pickle=True), "", "holds Python objects, which are not read"),
        ("x.npy", saved(np.array(3.0)), "", "is a single value; give an array with a row for each row"),
        (
            "x.npy",
            saved(np.zeros(3, "c8")),
            "",
            "the dtype complex64 is none of an attribute; convert it to one",
        ),
        (
            "x.npz",
            lambda p: np.savez(p, a=[1], b=[2]),
            "",
            "{path} holds several arrays; give one of 'x.npz:a', ",
        ),
        ("x.npz", lambda p: np.savez(p, a=[1]), ":c", "{path} has no array 'c'; give one of 'x.npz:a'"),
        (
            "x.npz",
            lambda p: save_csr(p, np.eye(2), layout="csc"),
            "",
            "{path} holds a sparse matrix as csc; save",
        ),
    ],
)
def test_files_that_hold_no_column_are_refused_by_name(tmp_path, name, content, asked, problem):
    path = written(tmp_path, name, content)
    with pytest.raises(SourceError) as caught:
        array_column(f"{path}{asked}", "source 's', column 'x'")
    assert str(caught.value).startswith("source 's', column 'x'")
    assert problem.format(path=path) in str(caught.value)


def test_a_file_that_was_cut_is_refused_by_name(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((100, 3)))
    content = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(content[:500])
    with pytest.raises(SourceError, match=rf"^x: {tmp_path}/x.npy cannot be read: mmap length is greater"):
        array_column(tmp_path / "x.npy", "x")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, "source 's' is an empty mapping; give at least one array"),
        (
            {"x": np.zeros(3), "y": np.zeros(4)},
            "source 's': the column 'x' has 3 rows, 'y' 4; the arrays of a table are of one length",
        ),
        (
            {"x": np.zeros(3), "X": np.zeros(3)},
            "source 's' has the columns 'x' and 'X'; rename one, for SQL does not tell upper from lower case",
        ),
        (
            {"x": np.float32(3)},
            "source 's', column 'x' is a single value; give an array with a row for each row of the table",
        ),
        ({"x": "no.npy"}, "source 's', column 'x': there is no file "),
    ],
)
def test_mappings_that_are_no_table_are_refused(columns, message):
    with pytest.raises(SourceError) as caught:
        array_source(columns, "s")
    assert str(caught.value).startswith(message)


def test_columns_of_one_value_a_row_are_ordinary_ones_too():
    half = np.array([0.5, 2.0], np.float16)
    columns = {
        "id": np.array([7, 8]),
        "half": half,
        "brain": torch.tensor([1.5, -2.0]).bfloat16(),
        "flag": np.array([True, False]),
        "name": np.array(["a", "b"]),
        "at": np.array(["2020-01-01", "NaT"], "M8[s]"),
        "x": np.zeros((2, 3), np.int8),
    }
    source = array_source(columns, "s")
    assert source.table().to_pydict() | {"at": None} == {
        "id": [7, 8],
        "half": [0.5, 2.0],
        "brain": [1.5, -2.0],
        "flag": [True, False],
        "name": ["a", "b"],
        "at": None,
    }
    assert source.table()["at"].null_count == 1
    assert list(source.attributes) == ["id", "half", "brain", "flag", "x"]
    assert list(source.tensors) == ["x"]


def test_a_graph_says_what_tensors_are_and_guesses_the_rest():
    graph = rh.Graph(
        [rh.Table("t", source={"id": np.arange(5), "x": np.zeros((5, 2)), "v": np.arange(5) / 7})]
    )
    assert graph.schema.tables["t"].pkey == ("id",)
    assert graph.schema.tables["t"].stypes == {"id": Stype.id, "v": Stype.numerical, "x": Stype.tensor}
    assert ("t", "x", "tensor", "rows of shape (2,) and dtype float64") in graph.explanations


def test_a_table_of_tensors_alone_has_positions():
    graph = rh.Graph([rh.Table("t", source={"x": np.zeros((3, 2), np.int8)})])
    assert graph.schema.tables["t"].stypes == {"position": Stype.id, "x": Stype.tensor}
    assert graph.schema.tables["t"].pkey == ()


@pytest.mark.parametrize(
    ("stypes", "message"),
    [
        (
            {"x": "numerical"},
            "table 't', column 'x', whose rows are tensors, cannot be of the semantic type numerical",
        ),
        (
            {"y": "tensor"},
            "table 't', column 'y', which has one value a row, cannot be of the semantic type tensor",
        ),
    ],
)
def test_semantic_types_that_contradict_the_arrays_are_refused(stypes, message):
    table = rh.Table("t", source={"x": np.zeros((3, 2)), "y": np.arange(3)}, stypes=stypes)
    with pytest.raises(SchemaError) as caught:
        rh.Graph([table])
    assert str(caught.value) == message


def test_paths_of_arrays_are_written_to_yaml_and_read_again(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((3, 2)))
    np.save(tmp_path / "id.npy", np.arange(3))
    graph = rh.Graph([rh.Table("t", source={"id": tmp_path / "id.npy", "x": tmp_path / "x.npy"})])
    assert "x: x.npy" in graph.to_yaml(tmp_path / "graph.yaml")
    again = rh.Graph.from_yaml(tmp_path / "graph.yaml")
    assert again.schema == graph.schema
    assert again.sources["t"]["x"] == tmp_path / "x.npy"


@pytest.mark.parametrize("dtype", [dtype for dtype in NUMPY_DTYPES if dtype != "bfloat16"])
def test_the_fingerprint_covers_every_array(tmp_path, dtype):
    def of(columns):
        graph = rh.Graph([rh.Table("t", source=columns)])
        return fingerprint(graph.schema, graph.schema.tables.values(), graph.sources)

    id_, whole = np.arange(3), random_rows(dtype, 3, (2,), seed=1)
    changed = whole.copy()
    changed[2, 1] = not changed[2, 1]
    first = of({"id": id_, "x": whole})
    assert of({"id": id_, "x": whole.copy()}) == first
    assert of({"id": id_, "x": changed}) != first
    np.save(tmp_path / "x.npy", whole)
    on_file = of({"id": id_, "x": tmp_path / "x.npy"})
    np.save(tmp_path / "x.npy", changed)
    assert of({"id": id_, "x": tmp_path / "x.npy"}) != on_file
