"""Large CSV files of numbers are read as the sniffer would read them, had it read them whole."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from relhop.sources import reading


@pytest.mark.parametrize(
    ("late", "kinds"),
    [
        ("7,8", ["BIGINT", "BIGINT"]),
        ("7.5,8", ["DOUBLE", "BIGINT"]),
        ("7,x", ["BIGINT", "VARCHAR"]),
        ('7,"8"', ["BIGINT", "BIGINT"]),
        (",8", ["BIGINT", "BIGINT"]),
        ("7,99999999999999999999", ["BIGINT", "VARCHAR"]),
    ],
)
def test_what_comes_late_in_a_file_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: str, kinds: list[str]
) -> None:
    monkeypatch.setattr(reading, "_LARGE", 0)
    path = tmp_path / "edges.csv"
    path.write_text("a,b\n" + "1,2\n" * 30_000 + late + "\n")
    with duckdb.connect() as connection:
        found = connection.sql(f"SELECT * FROM {reading.relation(connection, path, 'edges').sql}")
        assert list(map(str, found.types)) == kinds
        assert len(found.fetchall()) == 30_001


def test_a_large_file_with_short_lines_is_padded_as_a_small_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_LARGE", 0)
    path = tmp_path / "edges.csv"
    path.write_text("a,b\n" + "1,2\n" * 30_000 + "3\n")
    with duckdb.connect() as connection:
        found = reading.relation(connection, path, "edges")
        assert found.notes == (
            "1 lines have fewer fields than the header; the missing ones are read as null",
        )
        assert connection.sql(f"SELECT a, b FROM {found.sql} WHERE b IS NULL").fetchall() == [(3, None)]
