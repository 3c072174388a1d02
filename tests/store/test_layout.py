import json

import pytest

from relhop.edge_table import EdgeTable
from relhop.errors import CorruptStore, StoreError
from relhop.schema import Link, Schema, Table
from relhop.store import layout
from relhop.store.manifest import (
    VERSION,
    EdgeTableEntry,
    LinkEntry,
    Manifest,
    TableEntry,
    content_checksum,
    is_store,
    manifest_text,
    read_manifest,
    schema_of,
)

ENTRY = {
    "rows": 3,
    "null_times": 0,
    "null_keys": 0,
    "duplicate_keys": 0,
    "categories": {},
    "fields": [],
    "record_size": 0,
    "record_order": "rows",
    "rows_per_block": {},
    "attributes": {},
}
CONTENT = {
    "fingerprint": "f",
    "precision": "float32",
    "text_embedder": None,
    "schema": Schema([Table("a")]).to_dict(),
    "tables": {"a": ENTRY},
    "links": {},
    "edge_tables": {},
    "files": {},
}


def write(folder, **changes):
    manifest = Manifest.model_validate(CONTENT)
    content = json.loads(manifest_text(manifest)) | changes
    (folder / "manifest.json").write_text(json.dumps(content))


def rewrite(folder, content):
    """A manifest whose checksum fits, whatever it says."""
    full = {"format": "relhop-store", "version": VERSION, **content}
    (folder / "manifest.json").write_text(json.dumps(full | {"checksum": content_checksum(full)}))


def test_names_that_no_folder_can_have_are_escaped():
    link = Link("posts", ("a/b", "50%\0"), "users")
    assert layout.link_file(link, "parents.bin") == "links/posts.a%2Fb+50%25%00/parents.bin"
    assert layout.table_file("größe", "time.bin") == "tables/größe/time.bin"
    assert layout.parent_column(link) == "_rh_a/b+50%\0"


def test_sizes_of_files_follow_from_the_counts():
    schema = Schema(
        [Table("a", pkey_col="id", stypes={"c": "categorical"}), Table("b", time_col="t")],
        [Link("b", "a", "a")],
        [EdgeTable("e", src="a", dst="b", time_col="t", weight_col="w", reverse=True)],
    )
    tables = {
        "a": TableEntry.model_validate(ENTRY | {"record_size": 4, "categories": {"c": 2}}),
        "b": TableEntry.model_validate(ENTRY | {"rows": 200, "record_order": "hottest first"}),
    }
    links = {"b.a": LinkEntry(edges=150, nulls=49, dangling=1)}
    edges = EdgeTableEntry(
        rows=300, edges=40, nulls=260, dangling=0, null_times=260, edge_ids=True, columns=True, attributes={}
    )
    assert layout.file_sizes(schema, tables, links, {"e": edges}) == {
        "tables/a/columns.parquet": None,
        "tables/a/rows.crc": 4,
        "tables/a/rows.bin": 12,
        "tables/a/categories.parquet": None,
        "tables/b/columns.parquet": None,
        "tables/b/time_blocks.bin": 48,
        "tables/b/time.bin": None,
        "tables/b/order.bin": 208,  # 200 * 8 bits, and 8 bytes
        "tables/b/slots.bin": 208,
        "tables/b/rows.crc": 0,
        "tables/b/rows.bin": 0,
        "links/b.a/parents.bin": 64,  # 200 * 2 bits are 50 bytes, 7 words; and 8 bytes
        "links/b.a/offsets.bin": 16,  # 4 * 8 bits
        "links/b.a/children.bin": 160,  # 150 * 8 bits are 150 bytes, 19 words
        "edges/e/columns.parquet": None,
        "edges/e/time_blocks.bin": 72,
        "edges/e/time.bin": None,
        "edges/e/order.bin": 352,  # 300 * 9 bits
        "edges/e/in/offsets.bin": 160,  # 201 * 6 bits
        "edges/e/in/neighbors.bin": 24,  # 40 * 2 bits
        "edges/e/in/edge_ids.bin": 56,  # 40 * 9 bits
        "edges/e/in/weights.bin": 320,
        "edges/e/out/offsets.bin": 16,
        "edges/e/out/neighbors.bin": 48,
        "edges/e/out/edge_ids.bin": 56,
        "edges/e/out/weights.bin": 320,
    }


def test_a_manifest_is_read_as_it_was_written(tmp_path):
    write(tmp_path)
    manifest = read_manifest(tmp_path)
    assert manifest.model_dump(by_alias=True) == CONTENT
    assert schema_of(manifest, tmp_path) == Schema([Table("a")])
    assert is_store(tmp_path)


def test_absent_and_foreign_folders_are_told_apart(tmp_path):
    with pytest.raises(StoreError) as caught:
        read_manifest(tmp_path / "x")
    assert str(caught.value) == f"there is no store at {tmp_path / 'x'}; graph.snapshot makes one"
    with pytest.raises(StoreError) as caught:
        read_manifest(tmp_path)
    assert str(caught.value) == f"{tmp_path} is not a relhop store: it has no manifest.json"
    (tmp_path / "manifest.json").write_text('{"name": "my web app"}')
    with pytest.raises(StoreError) as caught:
        read_manifest(tmp_path)
    assert (
        str(caught.value)
        == f'{tmp_path} is not a relhop store: manifest.json does not say "format": "relhop-store"'
    )
    assert not is_store(tmp_path)
    with pytest.raises(StoreError, match=r"^there is no store at .*/manifest.json/x"):
        read_manifest(tmp_path / "manifest.json" / "x")


@pytest.mark.parametrize(
    ("version", "text", "advice"),
    [
        (7, "7", "use a newer relhop"),
        (2, "2", "build the store again"),
        ("3", "'3'", "build the store again"),
    ],
)
def test_other_versions_are_refused_with_advice(tmp_path, version, text, advice):
    write(tmp_path, version=version)
    with pytest.raises(StoreError) as caught:
        read_manifest(tmp_path)
    assert not isinstance(caught.value, CorruptStore)
    assert str(caught.value) == f"{tmp_path} has format version {text}, this relhop reads version 6; {advice}"


@pytest.mark.parametrize("changes", [{"fingerprint": "g"}, {"checksum": "00"}, {"extra": 1}])
def test_a_changed_manifest_is_damaged(tmp_path, changes):
    write(tmp_path, **changes)
    with pytest.raises(CorruptStore) as caught:
        read_manifest(tmp_path)
    path = tmp_path / "manifest.json"
    assert str(caught.value) == f"{path} is damaged: its checksum does not fit; build the store again"


@pytest.mark.parametrize("text", ["", "{", '{"format": "relhop-store"', "[" * 100_000, "\udcff"])
def test_a_manifest_that_is_not_json_is_damaged(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text, errors="surrogateescape")
    with pytest.raises(CorruptStore, match=r"manifest.json is damaged: it is not JSON"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            CONTENT | {"tables": {"a": ENTRY | {"rows": -1}}},
            "'tables.a.rows': Input should be greater than or equal to 0",
        ),
        (
            CONTENT | {"tables": {"a": ENTRY | {"rows": 2**62}}},
            f"'tables.a.rows': Input should be less than {2**62}",
        ),
        (
            CONTENT | {"tables": {"a": ENTRY | {"rows": 1.0}}},
            "'tables.a.rows': Input should be a valid integer",
        ),
        (CONTENT | {"more": 1}, "'more': Extra inputs are not permitted"),
    ],
)
def test_a_lying_manifest_contradicts_the_format(tmp_path, content, message):
    rewrite(tmp_path, content)
    with pytest.raises(CorruptStore) as caught:
        read_manifest(tmp_path)
    assert str(caught.value) == f"{tmp_path / 'manifest.json'} contradicts the format at {message}"


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"tables": {"../../etc": {}}, "links": []},
        {"tables": {"../../etc": ENTRY}, "links": []},
        {"tables": 3, "links": []},
        {"tables": {}, "links": [{"child": "a", "fkey": ["b"], "parent": "c"}]},
    ],
)
def test_a_schema_without_meaning_is_damage(tmp_path, schema):
    rewrite(tmp_path, CONTENT | {"schema": schema})
    with pytest.raises(CorruptStore, match=r"manifest.json: the schema has no meaning: "):
        schema_of(read_manifest(tmp_path), tmp_path)
