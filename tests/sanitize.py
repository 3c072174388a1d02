"""Runs the native tests on native code that a sanitizer watches: `python -m tests.sanitize address` or `thread`.

What the sanitizer reports ends the run as a failure. `address` finds undefined behaviour, too.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.test_mutants import all_sources, build, compile_objects, name_of, pytest_on

FLAGS = {
    "address": ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
    "thread": ("-g", "-fsanitize=thread"),
}
# Loaded before Python, which was compiled without; with them the C++ runtime, whose exceptions they watch.
RUNTIMES = {
    "address": ("libasan.so", "libubsan.so", "libstdc++.so"),
    "thread": ("libtsan.so", "libstdc++.so"),
}
SETTINGS = {
    "ASAN_OPTIONS": "detect_leaks=0",  # Python's own
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1",
    "OMP_NUM_THREADS": "1",
}
TESTS = {
    # What the sanitizer itself needs is beyond the limits of memory that tests hold the build to.
    "address": ("tests/native", "-k", "not memory_limit"),
    # DuckDB's allocator takes more locks before a fork than the sanitizer can count.
    "thread": (
        "tests/native",
        "-k",
        "(thread or pipeline or blocks or no_seeds or test_io) and not (fork or container or locked)",
    ),
}


def runtime(name: str) -> str:
    """Where the compiler has it."""
    command = ["g++", f"-print-file-name={name}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def main(sanitizer: str) -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = all_sources()
        uring = Path(runtime("liburing.a"))  # not a path where there is none
        flags = (*FLAGS[sanitizer], *(["-DRELHOP_URING"] if uring.is_absolute() else []))
        objects = compile_objects(sources, folder, *flags)
        linked = {name_of(source): o for source, o in zip(sources, objects, strict=True)}
        if uring.is_absolute():
            linked["liburing"] = uring
        build(linked, folder, None)
        preload = " ".join(map(runtime, RUNTIMES[sanitizer]))
        environment = {**os.environ, **SETTINGS, "PYTHONPATH": name, "LD_PRELOAD": preload}
        # A report goes to the process's own stderr.
        options = ("-q", "-x", "--timeout=0", "--hypothesis-profile=unshrunk", "--capture=sys")
        command = pytest_on(folder, *options, *TESTS[sanitizer])
        return subprocess.run(command, cwd=folder, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
