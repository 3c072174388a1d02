"""Builds are killed (kill -9) at random moments: a store is there whole, old or new, or not at all.

Run as a script, this file is the parent of the killed builds: it forks them from one warm interpreter, in
which no thread has started, and writes what happened as JSON.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

import duckdb

from relhop.errors import StoreError
from relhop.schema import Link, Schema, Table
from relhop.store import publish
from relhop.store.manifest import is_store
from relhop.store.reader import Store
from relhop.store.writer import write_store

KILLS = 50
SCHEMA = Schema(
    [
        Table("users", pkey_col="id", stypes={"name": "categorical"}),
        Table("posts", time_col="at", stypes={"score": "numerical"}),
    ],
    [Link("posts", "user", "users")],
)


def build(path, generation):
    """Writes a store whose every file differs from generation to generation."""
    connection = duckdb.connect(config={"threads": "1"})
    connection.execute(
        f"CREATE TABLE users AS SELECT i AS id, 'n{generation} ' || i AS name FROM range(40) r(i)"
    )
    connection.execute(
        f"CREATE TABLE posts AS SELECT (i * {generation + 1}) % 50 AS user,"
        f" make_timestamp(i * {generation + 2}) AS at, i + {generation} AS score"
        f" FROM range({200 + generation}) r(i)"
    )
    write_store(path, SCHEMA, connection, fingerprint=str(generation))


def in_child(work):
    """Forks; returns the child's process number."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    return pid


def succeeds(work):
    return os.waitpid(in_child(work), 0)[1] == 0


def without_exchange(path, generation):
    publish._exchange = lambda folder, target: False
    build(path, generation)


def check(path, allowed):
    """Exits with an error unless the store at `path` is a sound one of the allowed generations."""
    message = None
    try:
        store = Store.open(path)
    except StoreError as error:
        message = str(error)
    if message is not None:
        assert None in allowed, message
        assert message == f"there is no store at {path}; graph.snapshot makes one"
    else:
        store.verify()
        assert store.fingerprint in allowed, (store.fingerprint, allowed)
        assert store.tables["posts"].num_rows == 200 + int(store.fingerprint)
    # What lies about is either no store at all or a whole one.
    for leftover in path.parent.iterdir():
        if is_store(leftover):
            Store.open(leftover).verify()


def kill_at_random(folder, mode, rng):
    """Kills builds at moments drawn over the length of one; returns how many were killed."""
    write = without_exchange if mode == "two steps" else build
    path = folder / "x.rh"
    generation = kills = 0
    start = time.monotonic()
    assert succeeds(lambda: write(path, 0))
    length = time.monotonic() - start
    allowed = {"0"}
    while kills < KILLS // 3 + 1:
        if mode == "fresh":
            path, allowed = folder / f"{generation}.rh", {None}
        generation += 1
        pid = in_child(lambda path=path, generation=generation: write(path, generation))
        time.sleep(rng.uniform(0, length))
        os.kill(pid, signal.SIGKILL)
        kills += os.waitpid(pid, 0)[1] == signal.SIGKILL
        allowed.add(str(generation))
        assert succeeds(lambda path=path, allowed=allowed: check(path, allowed)), (mode, generation)
    return kills


def kill_around_renames(folder, mode):
    """Kills builds just before and just after each rename; returns how many were killed."""
    path = folder / "renames.rh"
    assert succeeds(lambda: build(path, 0))
    kills = 0
    for generation, (before, count) in enumerate([(True, 1), (False, 1), (True, 2), (False, 2)], start=1):

        def killed(generation=generation, before=before, count=count):
            if mode == "two steps":
                publish._exchange = lambda folder, target: False
            left = count

            def and_die(call):
                def wrapped(*arguments):
                    nonlocal left
                    try:
                        if before and left == 1:
                            os.kill(os.getpid(), signal.SIGKILL)
                        return call(*arguments)
                    except OSError:
                        left += 1  # The first attempt, refused because there is a store, renames nothing.
                        raise
                    finally:
                        left -= 1
                        if left == 0:
                            os.kill(os.getpid(), signal.SIGKILL)

                return wrapped

            os.rename = and_die(os.rename)
            if mode == "exchange":
                publish._exchange = and_die(publish._exchange)
            build(path, generation)

        kills += os.waitpid(in_child(killed), 0)[1] == signal.SIGKILL
        allowed = {str(g) for g in range(generation + 1)}
        assert succeeds(lambda allowed=allowed: check(path, allowed)), (mode, generation)
    return kills


def main(folder):
    rng = random.Random(0)
    report = {}
    for mode in ("exchange", "two steps", "fresh"):
        place = folder / mode
        place.mkdir()
        kills = kill_at_random(place, mode, rng)
        if mode != "fresh":
            kills += kill_around_renames(place, mode)
            assert succeeds(lambda place=place: build(place / "renames.rh", 1000))
        hidden = [entry for entry in os.listdir(place) if entry.startswith(".")]
        # The next build of the same store sweeps them.
        for target in {place / f"{entry[1:].split('.rh.')[0]}.rh" for entry in hidden}:
            assert succeeds(lambda target=target: build(target, 1000))
        left = [entry for entry in os.listdir(place) if entry.startswith(".")]
        report[mode] = {"kills": kills, "leftovers": len(hidden), "left": left}
    print(json.dumps(report))


def test_a_build_killed_at_any_moment_leaves_the_old_store_or_the_new_one(tmp_path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, __file__, str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [mode["left"] for mode in report.values()] == [[], [], []]
    assert sum(mode["leftovers"] for mode in report.values()) > 0
    assert sum(mode["kills"] for mode in report.values()) >= KILLS


if __name__ == "__main__":
    main(Path(sys.argv[1]))
