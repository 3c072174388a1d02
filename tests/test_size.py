"""The code stays small: a line budget, as CONTRIBUTING.md states it."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PYTHON = sorted((ROOT / "relhop").rglob("*.py"))
NATIVE = sorted((ROOT / "native").glob("*/*"))


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


@pytest.mark.parametrize("path", PYTHON + NATIVE, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_has_at_most_600_lines(path: Path) -> None:
    assert lines(path) <= 600


def test_the_python_has_at_most_32000_lines_and_the_native_code_13000() -> None:
    assert sum(map(lines, PYTHON)) <= 32000
    assert sum(map(lines, NATIVE)) <= 13000
