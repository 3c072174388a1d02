"""How a new folder takes the place of a store, so that at every moment one of the two opens.

A build writes into a hidden sibling `.<name>.building-<pid>-<random>` and holds a lock (flock) on it while
it lives. Publishing exchanges the two names in one system call (renameat2 with RENAME_EXCHANGE). Where the
file system has no such call, the old store is renamed to `.<name>.replaced-<pid>-<random>` first; `recover`
finishes or undoes what a killed build left between the two renames. Knows nothing of what is in a store but
its manifest.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from relhop.errors import StoreError
from relhop.store.manifest import MANIFEST, is_store

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_NO_EXCHANGE = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM)


@contextlib.contextmanager
def building(path: Path) -> Iterator[Path]:
    """A folder to build a store in, which takes the place of `path` if the block ends without an error.

    Before, the leftovers of dead builds of the same store are removed; after an error, the folder is.

    Raises:
        StoreError: If `path` is something else than a store or an empty folder.
        OSError: If the file system refuses.
    """
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    recover(target)
    _refuse_foreign(target)
    _sweep(target)
    folder = _sibling(target, "building")
    folder.mkdir()
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
        _publish(folder, target)
    finally:
        # Holds what was not published: a failed build, or the old store.
        _remove(folder)
        os.close(lock)


def recover(target: Path) -> None:
    """Brings back the old store if a build was killed between two renames; waits for one that lives."""
    if os.path.lexists(target):
        return
    for replaced in _siblings(target, "replaced"):
        with contextlib.suppress(FileNotFoundError):
            lock = os.open(replaced, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not os.path.lexists(target) and is_store(replaced):
                    os.rename(replaced, target)
            finally:
                os.close(lock)


def sync_folder(folder: Path) -> None:
    """Waits until the names in a folder are on the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sibling(target: Path, role: str) -> Path:
    return target.with_name(f".{target.name}.{role}-{os.getpid()}-{secrets.token_hex(4)}")


def _siblings(target: Path, role: str) -> list[Path]:
    pattern = re.compile(rf"\.{re.escape(target.name)}\.{role}-\d+-[0-9a-f]{{8}}")
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return [target.with_name(entry) for entry in os.listdir(target.parent) if pattern.fullmatch(entry)]
    return []


def _refuse_foreign(target: Path) -> None:
    if not os.path.lexists(target) or is_store(target):
        return
    if not target.is_dir():
        raise StoreError(f"{target} is a file, not a store; choose another path")
    if any(target.iterdir()):
        raise StoreError(
            f"{target} is a folder without a store's {MANIFEST}, so it is not replaced;"
            " remove it or choose another path"
        )


def _sweep(target: Path) -> None:
    for role in ("building", "replaced"):
        for leftover in _siblings(target, role):
            if _is_dead(leftover):
                _remove(leftover)


def _remove(folder: Path) -> None:
    """Removes a folder, its manifest first, so that what a kill leaves of it is no store."""
    with contextlib.suppress(OSError):
        (folder / MANIFEST).unlink()
    shutil.rmtree(folder, ignore_errors=True)


def _is_dead(leftover: Path) -> bool:
    """Whether nobody holds the lock. An empty folder of a living process may be about to be locked."""
    try:
        lock = os.open(leftover, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return any(leftover.iterdir()) or not _is_alive(int(leftover.name.split("-")[-2]))
    except OSError:
        return False
    finally:
        os.close(lock)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _publish(folder: Path, target: Path) -> None:
    sync_folder(folder)
    while True:
        try:
            # Succeeds where there is nothing yet, or an empty folder.
            os.rename(folder, target)
            break
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        _refuse_foreign(target)
        if _exchange(folder, target) or _replace_in_two_steps(folder, target):
            break
    sync_folder(target.parent)


def _exchange(folder: Path, target: Path) -> bool:
    """Swaps two names at once; false where the system cannot."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        return False
    if renameat2(_AT_FDCWD, os.fsencode(folder), _AT_FDCWD, os.fsencode(target), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_EXCHANGE or number == errno.ENOENT:
        return False
    raise OSError(number, os.strerror(number), str(target))


def _replace_in_two_steps(folder: Path, target: Path) -> bool:
    """Moves the old store away and the new one in; false if another build was quicker."""
    replaced = _sibling(target, "replaced")
    try:
        lock = os.open(target, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            os.rename(target, replaced)
        except FileNotFoundError:
            return False
        try:
            os.rename(folder, target)
        except OSError:
            os.rename(replaced, target)
            raise
        sync_folder(target.parent)
        _remove(replaced)
        return True
    finally:
        os.close(lock)
