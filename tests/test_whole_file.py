from __future__ import annotations

from pathlib import Path

import pytest

from relhop.whole_file import whole_file


def test_a_file_takes_its_place_once_it_is_written(tmp_path: Path) -> None:
    target = tmp_path / "new" / "page.html"
    with whole_file(target) as partial:
        partial.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert [path.name for path in target.parent.iterdir()] == ["page.html"]


def test_on_an_error_the_older_file_stays_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    target.write_text("older")

    def write() -> None:
        with whole_file(target) as partial:
            partial.write_text("ha")
            raise OSError("full")

    with pytest.raises(OSError, match=r"^full$"):
        write()
    assert target.read_text() == "older"
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
