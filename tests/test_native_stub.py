"""The checked-in signatures of the native module are those that it has: an accidental change of them fails here."""

import subprocess
import sys
from pathlib import Path

import relhop._native

STUB = Path(__file__).parent.parent / "relhop" / "_native.pyi"


def test_the_stub_is_what_the_native_module_says_of_itself(tmp_path: Path) -> None:
    written = tmp_path / "_native.pyi"
    command = [
        sys.executable,
        "-m",
        "nanobind.stubgen",
        "-q",
        "-m",
        relhop._native.__name__,
        "-o",
        str(written),
    ]
    subprocess.run(command, check=True)
    assert STUB.read_text() == written.read_text()
