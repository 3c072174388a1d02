"""Break the visibility rule on purpose, compile, and expect the suite to notice.

Each mutant is one changed line of the native code. The copy is compiled beside the package and the sampler's tests run
against it; if they pass, they guard nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import nanobind
import pytest

ROOT = Path(__file__).parent.parent
NATIVE = ROOT / "native"
MUTANTS = {
    "sees one second of the future": (
        "packed/times.cpp",
        "search_in(number, anchors[first + i], stream_",
        "search_in(number, anchors[first + i] + 1'000'000, stream_",
    ),
    "misses one second of the past": (
        "packed/times.cpp",
        "search_in(number, anchors[first + i], stream_",
        "search_in(number, anchors[first + i] - 1'000'000, stream_",
    ),
    "sees one second of the future on disk": (
        "packed/times.cpp",
        "search_in(number, anchors[i], bytes",
        "search_in(number, anchors[i] + 1'000'000, bytes",
    ),
    "takes < for <=": (
        "packed/times.cpp",
        "search.mask) <= search.farthest, half)",
        "search.mask) < search.farthest, half)",
    ),
    "follows keys into the future": (
        "sampling/parents.h",
        "parent < expansion.cuts[seed] && is_new_enough",
        "parent < expansion.num_found && is_new_enough",
    ),
    "forgets as_of": (
        "sampling/block.cpp",
        "cuts[i] = std::min(cuts[i], options_.caps[t]);",
        "(void)cuts[i];",
    ),
    "takes the first seed's cut for all": (
        "sampling/lists.h",
        "const uint64_t cut = expansion_.order_cuts[item.seed];",
        "const uint64_t cut = expansion_.order_cuts[0];",
    ),
    "returns to an origin of the future": (
        "sampling/parents.h",
        "row < expansion.cuts[seed] && is_new_enough",
        "is_new_enough",
    ),
    "follows edges of the future": (
        "sampling/block.cpp",
        "cuts_of_block_ + ordering * num_cuts_",
        "cuts_of_block_ + edges.found * num_cuts_",
    ),
    "induces edges of the future": (
        "sampling/subgraph.cpp",
        "edges.is_timed() && !is_visible_(edges.ordering_table(), id, seed)",
        "edges.is_timed() && !is_visible_(edges.found, neighbor, seed)",
    ),
}
GUARDS = [
    "tests/native/test_sampler.py",
    "tests/native/test_sampler_timed_edges.py",
    "tests/test_canary.py",
    "tests/native/test_paging.py",
    "--hypothesis-profile=unshrunk",
]


def all_sources() -> list[Path]:
    return [Path(nanobind.source_dir()) / "nb_combined.cpp", *sorted(NATIVE.glob("*/*.cpp"))]


def name_of(source: Path, native: Path = NATIVE) -> str:
    return str(source.relative_to(native)) if source.is_relative_to(native) else source.name


def compile_objects(sources: list[Path], folder: Path, *more_flags: str, native: Path = NATIVE) -> list[Path]:
    """Unoptimized objects, two compilers at a time."""
    include = Path(nanobind.include_dir())
    flags = [
        "-std=c++20",
        "-O1",
        "-fPIC",
        "-fvisibility=hidden",
        f"-I{sysconfig.get_paths()['include']}",
        f"-I{include}",
        "-iquote",
        str(native),
    ]
    flags += [f"-I{include.parent / 'ext' / 'robin_map' / 'include'}", "-c", *more_flags]
    objects = [folder / f"{name_of(source, native).replace('/', '.')}.o" for source in sources]
    waiting = list(zip(sources, objects, strict=True))
    running: list[subprocess.Popen[bytes]] = []
    while waiting or running:
        while waiting and len(running) < 2:
            source, target = waiting.pop(0)
            running.append(subprocess.Popen(["g++", *flags, str(source), "-o", str(target)]))
        assert running.pop(0).wait() == 0
    return objects


def link(objects: list[Path], package: Path) -> None:
    library = package / f"_native{sysconfig.get_config_var('EXT_SUFFIX')}"
    subprocess.run(["g++", "-shared", "-pthread", *map(str, objects), "-o", str(library)], check=True)


def compiled_already(sources: list[Path]) -> dict[str, Path] | None:
    """What an editable install has compiled of these sources, as `healthy` has it; None if it is older."""
    newest = max(path.stat().st_mtime for path in NATIVE.glob("*/*"))
    own = {name_of(source) for source in sources if source.is_relative_to(NATIVE)}
    for archive in ROOT.glob("build/*/librelhop_native.a"):
        folder = archive.parent
        objects = folder.glob("CMakeFiles/**/native/*/*.cpp.o")
        found = {f"{o.parent.name}/{o.name.removesuffix('.o')}": o for o in objects}
        if found.keys() == own and max(o.stat().st_mtime for o in found.values()) > newest:
            lines = (folder / "CMakeCache.txt").read_text().splitlines()
            [uring] = [Path(line.split("=")[1]) for line in lines if line.startswith("LIBURING_LIBRARY")]
            found["nb_combined.cpp"] = folder / "libnanobind-static.a"
            return found | ({"liburing": uring} if uring.is_file() else {})
    return None


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The unchanged objects, by the name of their source, and the libraries that they need."""
    sources = all_sources()
    found = compiled_already(sources)
    if found is not None:
        return found
    objects = compile_objects(sources, tmp_path_factory.mktemp("objects"))
    return {name_of(source): o for source, o in zip(sources, objects, strict=True)}


def run_guards(folder: Path) -> subprocess.CompletedProcess[str]:
    """The guarding tests, on the package in `folder` instead of the installed one."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = pytest_on(folder, "-x", "-q", *GUARDS)
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def pytest_on(folder: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-S", "-c", RUN, str(folder), *site_packages(), "--", *arguments]


def site_packages() -> list[str]:
    return [p for p in sys.path if p.endswith("site-packages")]


# -S keeps out the import hook of an editable install, which would bring back the healthy library.
RUN = """
import sys
split = sys.argv.index("--")
sys.path[:0] = sys.argv[1:split]
import pytest
sys.exit(pytest.main(["-p", "no:cacheprovider", *sys.argv[split + 1:]]))
"""


def build(healthy: dict[str, Path], folder: Path, mutant: tuple[str, str, str] | None) -> None:
    shutil.copytree(ROOT / "relhop", folder / "relhop", ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    objects, mutants = dict(healthy), list[Path]()
    if mutant is not None:
        name, line, changed = mutant
        text = (NATIVE / name).read_text()
        assert text.count(line) == 1, f"the mutant's line is no longer in {name}: {line}"
        sources = folder / "native"
        shutil.copytree(NATIVE, sources)
        (sources / name).write_text(text.replace(line, changed))
        # The headers' templates are compiled with the one file that uses them.
        compiled = name if name.endswith(".cpp") else "sampling/block.cpp"
        # First, so that the linker takes its templates, not those of another file.
        del objects[compiled]
        mutants = compile_objects([sources / compiled], folder, native=sources)
    link([*mutants, *objects.values()], folder / "relhop")


@pytest.mark.timeout(600)
def test_the_guards_pass_on_the_unchanged_code(healthy: dict[str, Path], tmp_path: Path) -> None:
    build(healthy, tmp_path, None)
    result = run_guards(tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_the_guards_catch(healthy: dict[str, Path], mutant: tuple[str, str, str], tmp_path: Path) -> None:
    build(healthy, tmp_path, mutant)
    result = run_guards(tmp_path)
    assert result.returncode == 1, result.stdout + result.stderr
    assert " failed" in result.stdout
