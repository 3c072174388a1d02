"""C++ beside a Python module, compiled for this machine when it is first wanted."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from functools import cache
from pathlib import Path


@cache
def compiled(name: str) -> ctypes.CDLL:
    """The functions of `name`.cpp in this folder; calls release the GIL."""
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / f"{name}.so"
        source = Path(__file__).with_name(f"{name}.cpp")
        flags = ["-std=c++20", "-O3", "-march=native", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared"]
        subprocess.run(["g++", *flags, "-o", built, source], check=True)
        return ctypes.CDLL(str(built))
