"""Arrays of .npy and .npz files, mapped where they can be, and sparse matrices, whose rows are made dense as
they are asked for.
"""

from __future__ import annotations

import contextlib
import functools
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from relhop.errors import SourceError
from relhop.sources.array_columns import Array, ArrayColumn, Which, checked, dense
from relhop.sources.spooled import spooled

_PIECE_BYTES = 8 << 20
_SPARSE = ("indptr", "indices", "data", "shape", "format")


def read_file(text: str, where: str) -> ArrayColumn:
    """An array of a file.

    Args:
        text: The path of a .npy or .npz file; of an array in a .npz file with its name behind a colon.
        where: What errors call it.

    Raises:
        SourceError: If there is no such file or array, or it cannot be read.
    """
    before, _, member = text.rpartition(":")
    path = Path(before if before.endswith(".npz") else text).absolute()
    if not path.is_file():
        raise SourceError(f"{where}: there is no file {path}")
    if path.suffix not in (".npy", ".npz"):
        raise SourceError(f"{where}: {path} is neither .npy nor .npz")
    with _reading(path, where):
        if path.suffix == ".npz":
            return _of_archive(path, member if before.endswith(".npz") else None, where)
        with path.open("rb") as file:
            shape, order, dtype = _header(file)
            checked(dtype, shape, where)
            return dense(_mapped(path, file.tell(), shape, order, dtype), where, path)


def member_names(path: Path) -> list[str]:
    """What the arrays of a .npz file are called.

    Raises:
        SourceError: If it cannot be read.
    """
    with _reading(path, "the archive"), zipfile.ZipFile(path) as archive:
        return _names(archive)


def _names(archive: zipfile.ZipFile) -> list[str]:
    return [name.removesuffix(".npy") for name in archive.namelist()]


def _of_archive(path: Path, member: str | None, where: str) -> ArrayColumn:
    with zipfile.ZipFile(path) as archive:
        names = _names(archive)
        if member is None and set(_SPARSE) <= set(names):
            return _of_sparse(archive, path, where)
        if member is None and len(names) == 1:
            [member] = names
        if member not in names:
            problem = "holds several arrays" if member is None else f"has no array '{member}'"
            known = ", ".join(f"'{path.name}:{name}'" for name in names)
            raise SourceError(f"{where}: {path} {problem}; give one of {known}")
        return _of_member(archive, path, member, where)


def _of_member(archive: zipfile.ZipFile, path: Path, member: str, where: str) -> ArrayColumn:
    info = archive.getinfo(f"{member}.npy")
    with archive.open(info) as file:
        shape, order, dtype = _header(file)
        begin = file.tell()
    kind = checked(dtype, shape, where)
    if info.compress_type == zipfile.ZIP_STORED:
        with path.open("rb") as raw:
            raw.seek(info.header_offset + 26)
            name_and_extra = np.frombuffer(raw.read(4), "<u2").astype(int).sum()
        begin += info.header_offset + 30 + int(name_and_extra)
        return dense(_mapped(path, begin, shape, order, dtype), where, path, member)

    @functools.cache
    def whole() -> Array:
        return _unpacked(path, member, where)

    return ArrayColumn(kind, shape[1:], shape[0], lambda which: whole()[which], path, member)


def _of_sparse(archive: zipfile.ZipFile, path: Path, where: str) -> ArrayColumn:
    layout = bytes(_loaded(path, "format", where)[()]).decode(errors="replace")
    if layout != "csr":
        raise SourceError(f"{where}: {path} holds a sparse matrix as {layout}; save it as CSR")
    parts = {name: _of_member(archive, path, name, where) for name in ("indptr", "indices", "data")}
    num_rows, width = _loaded(path, "shape", where).tolist()
    if not 0 <= num_rows == parts["indptr"].num_rows - 1 or width < 0:
        raise SourceError(f"{where}: {path} contradicts itself about its {num_rows} rows")

    def read(which: Which) -> Array:
        positions = np.arange(num_rows)[which] if isinstance(which, slice) else which
        return _dense_rows(path, parts, positions, width)

    return ArrayColumn(parts["data"].dtype, (width,), num_rows, read, path)


def _dense_rows(path: Path, parts: Mapping[str, ArrayColumn], positions: Any, width: int) -> Array:
    begins, ends = (parts["indptr"].take(positions + i).astype(np.int64) for i in (0, 1))
    counts = ends - begins
    stored = min(parts["indices"].num_rows, parts["data"].num_rows)
    if np.any((counts < 0) | (begins < 0) | (ends > stored)):
        raise SourceError(f"{path}: its indptr leads beyond the {stored} numbers that are stored")
    rows = np.repeat(np.arange(len(positions)), counts)
    places = np.arange(len(rows)) + np.repeat(begins - (np.cumsum(counts) - counts), counts)
    columns, values = (parts[name].take(places) for name in ("indices", "data"))
    if np.any((columns < 0) | (columns >= width)):
        raise SourceError(f"{path}: its indices name a column beyond {width}")
    result = np.zeros((len(positions), width), values.dtype)
    np.add.at(result, (rows, columns), values)  # a place that is stored twice holds the sum
    return result


def _loaded(path: Path, member: str, where: str) -> Array:
    with _reading(path, where), np.load(path) as archive:
        found: Array = archive[member]
        return found


def _unpacked(path: Path, member: str, where: str) -> Array:
    """A compressed array, mapped from a file that has no name."""
    with _reading(path, where), zipfile.ZipFile(path) as archive, archive.open(f"{member}.npy") as file:
        shape, order, dtype = _header(file)
        return spooled(iter(lambda: file.read(_PIECE_BYTES), b""), dtype).reshape(shape, order=order)


def _header(file: Any) -> tuple[tuple[int, ...], Literal["C", "F"], np.dtype[Any]]:
    """Shape, order in memory and dtype of a .npy; leaves the file at the data."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, is_fortran, dtype = read(file)
    return shape, "F" if is_fortran else "C", dtype


def _mapped(
    path: Path, begin: int, shape: tuple[int, ...], order: Literal["C", "F"], dtype: np.dtype[Any]
) -> Array:
    if 0 in shape:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, "r", begin, shape, order).view(np.ndarray)


@contextlib.contextmanager
def _reading(path: Path, where: str) -> Iterator[None]:
    try:
        yield
    except SourceError:
        raise
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise SourceError(f"{where}: {path} cannot be read: {error}") from error
