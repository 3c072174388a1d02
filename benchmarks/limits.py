"""Limits of this machine's memory: random loads, and a sample's own accesses with nothing else around them.

A replay of a sample reads where each seed's anchor time lies among the times of each table, the offsets of
each expanded row, the end of its visible prefix if the sample is temporal and each chosen neighbor, probes a
node table, and writes rows, their seeds if these share no graph, sources and targets, all with prefetch. It
knows the choices beforehand, and where each visible prefix ends: it draws and searches nothing. Of all ways
tried (32-bit or packed arrays; rows a group; for disjoint samples hop by hop or block by block) the fastest
is the limit.

What no sampler can do without is in it, and nothing else. A node table of a merged sample has a number for
each row. That of a disjoint one, where a row may be a node of each seed, has keys beside the numbers, and
twice as many entries as nodes are known at once: of the batch where it goes hop by hop, of a block else. The
key of a row that was found in its parent's list is not read: that parent is known.
"""

from __future__ import annotations

import ctypes
import mmap
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np

from benchmarks.compiled import compiled
from benchmarks.graphs import Array, EdgeArrays, Graph, TableArrays
from benchmarks.traces import Trace
from relhop import _native
from relhop.store.packed import TIME_BLOCK, TIME_BLOCK_BYTES

GROUPS = (4, 8, 16, 32, 64, 128)
DISTANCES = (0, 8, 16, 32, 64)


class _Step(ctypes.Structure):
    _fields_ = [
        *[(name, ctypes.c_void_p) for name in ("rows", "counts", "visible", "seeds", "picks")],
        *[(name, ctypes.c_uint64) for name in ("num_rows", "max_count")],
        *[(name, ctypes.c_void_p) for name in ("offsets", "neighbors")],
        *[(name, ctypes.c_uint64) for name in ("offset_width", "neighbor_width")],
        ("table", ctypes.c_void_p),
        *[(name, ctypes.c_uint64) for name in ("table_mask", "table_has_keys")],
        ("origins", ctypes.c_void_p),
        ("first_target", ctypes.c_uint64),
        *[(name, ctypes.c_void_p) for name in ("found", "batch", "num_found", "source", "target")],
    ]


@cache
def library() -> ctypes.CDLL:
    """The functions of limits.cpp."""
    loaded = compiled("limits")
    pointer, number = ctypes.c_void_p, ctypes.c_uint64
    loaded.random_loads.argtypes = [pointer, number, number, number, number]
    loaded.dependent_loads.argtypes = [pointer, number, number, number]
    loaded.replay.argtypes = [pointer, number, number]
    loaded.read_times.argtypes = [pointer, pointer, pointer, pointer, number]
    loaded.gather.argtypes = [pointer, number, pointer, number, number, pointer]
    loaded.gather.restype = None
    for function in (loaded.random_loads, loaded.dependent_loads, loaded.replay, loaded.read_times):
        function.restype = number
    return loaded


def memory(num_bytes: int, *, huge: bool = True) -> Array:
    """Zeros on huge pages, if the system has them to give, or on small ones."""
    pages = mmap.mmap(-1, num_bytes + (2 << 20), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    pages.madvise(mmap.MADV_HUGEPAGE if huge else mmap.MADV_NOHUGEPAGE)
    whole = np.frombuffer(pages, np.uint8)
    begin = -whole.ctypes.data % (2 << 20)
    return whole[begin : begin + num_bytes]


def random_loads(num_bytes: int, num_loads: int, num_threads: int, *, huge: bool) -> list[float]:
    """Independent random loads a second of each repeat, at the best prefetch distance."""
    words = memory(num_bytes, huge=huge).view(np.uint64)
    words[:] = 1
    mask = len(words) - 1

    def rate(distance: int) -> float:
        def work(thread: int) -> None:
            loads = library().random_loads(words.ctypes.data, mask, num_loads, distance, thread << 40)
            assert loads == num_loads

        begin = time.perf_counter()
        with ThreadPoolExecutor(num_threads) as threads:
            list(threads.map(work, range(num_threads)))
        return num_loads * num_threads / (time.perf_counter() - begin)

    best = max(DISTANCES, key=rate)
    return [rate(best) for _ in range(5)]


def dependent_load_ns(num_bytes: int, num_loads: int, *, huge: bool) -> list[float]:
    """Nanoseconds of a random load whose place depends on the one before, of each repeat."""
    words = memory(num_bytes, huge=huge).view(np.uint64)
    words[:] = 1
    results = []
    for seed in range(5):
        begin = time.perf_counter()
        library().dependent_loads(words.ctypes.data, len(words) - 1, num_loads, seed << 40)
        results.append((time.perf_counter() - begin) / num_loads * 1e9)
    return results


def gather(matrix: Array, rows: Array, out: Array, num_threads: int, distance: int) -> None:
    """Copies rows [N], int64, of a C-contiguous matrix into `out` [N, width], a slice a thread."""
    row_bytes, ends = matrix.strides[0], np.linspace(0, len(rows), num_threads + 1).astype(int)

    def slice_of(thread: int) -> None:
        begin, end = ends[thread : thread + 2]
        library().gather(
            matrix.ctypes.data,
            row_bytes,
            rows.ctypes.data + 8 * int(begin),
            int(end - begin),
            distance,
            out.ctypes.data + row_bytes * int(begin),
        )

    with ThreadPoolExecutor(num_threads) as threads:
        list(threads.map(slice_of, range(num_threads)))


class Arrays:
    """A graph's arrays as a replay reads them: 32-bit numbers, or packed as relhop has them."""

    def __init__(self, graph: Graph, *, packed: bool) -> None:
        self.graph = graph
        self.packed = packed
        self.edge_types = [self._edge_type(edges) for edges in graph.edge_types]
        self.times = [self._times(table) for table in graph.tables]

    @staticmethod
    def _times(table: TableArrays) -> tuple[Array, Array] | None:
        """A table's time blocks and their stream, as bytes."""
        if table.times is None:
            return None
        blocks, stream = _native.encode_times(table.times, 0)
        padded = np.concatenate([stream, np.zeros(8, np.uint8)])
        return _on_huge_pages(blocks.view(np.uint8).ravel()), _on_huge_pages(padded)

    def _edge_type(self, edges: EdgeArrays) -> tuple[Array | None, Array, int, int]:
        found = _native.width_of(self.graph.tables[edges.found].num_rows)
        width = _native.width_of(edges.num_edges)
        if not self.packed:
            offsets = None if edges.offsets is None else _on_huge_pages(edges.offsets.astype(np.uint32))
            return offsets, _on_huge_pages(edges.neighbors), 0, 0
        offsets = None if edges.offsets is None else _on_huge_pages(pack(edges.offsets, width))
        return offsets, _on_huge_pages(pack(edges.neighbors, found)), width, found


def pack(rows: Array, width: int) -> Array:
    return _native.pack(rows.astype(np.uint64), width)


class Replay:
    """Replays traces over one graph, in memory of its own that it reuses. For one thread.

    Args:
        arrays: What is read; may be shared.
        traces: All that will be replayed.
        disjoint: Whether node tables have keys and room for the nodes that are known at once, instead of a
            place for each row; then numbers of nodes found again may be wrong, as nothing is compared.
    """

    def __init__(self, arrays: Arrays, traces: Sequence[Trace], *, disjoint: bool) -> None:
        self.traces = traces
        tables = range(len(arrays.graph.tables))
        rooms = [max(trace.num_nodes[t] for trace in traces) + 1 for t in tables]
        self.found, self.batch = ([memory(8 * room).view(np.int64) for room in rooms] for _ in range(2))
        self._has_keys = disjoint
        most_known = [max(2 * trace.most_known[t] for trace in traces) for t in tables]
        num_entries = most_known if disjoint else [table.num_rows for table in arrays.graph.tables]
        self._masks = [(1 << (max(number, 1) - 1).bit_length()) - 1 for number in num_entries]
        entry = np.dtype(np.uint64 if disjoint else np.uint32)
        self._tables = [memory(entry.itemsize * (mask + 1)).view(entry) for mask in self._masks]
        self.num_found = np.zeros(len(tables), np.uint64)
        sizes = [_edges_by_type(trace, len(arrays.edge_types)) for trace in traces]
        self.source, self.target = (
            [memory(8 * max(size[e] for size in sizes)).view(np.int64) for e in range(len(arrays.edge_types))]
            for _ in range(2)
        )
        self._arrays = arrays
        self._steps = [self._native_steps(trace) for trace in traces]
        self._ends = [self._ends_of_searches(trace) for trace in traces]
        for array in (*self.found, *self.batch, *self._tables, *self.source, *self.target):
            array[:] = 0  # so that no page is first touched while time is taken

    def run(self, number: int, group: int, seeds: Sequence[Array] | None = None) -> tuple[float, int]:
        """Replays a trace; returns the seconds and the sum of what stood at the ends of visible prefixes."""
        trace, steps = self.traces[number], self._steps[number]
        self.num_found[:] = trace.num_seeds
        for table, mask, rows in zip(self._tables, self._masks, seeds or [], strict=False):
            table[rows & mask] = np.arange(len(rows))
        begin = time.perf_counter()
        for blocks, block_bytes, stream, stream_bytes in self._ends[number]:
            library().read_times(
                blocks.ctypes.data,
                block_bytes.ctypes.data,
                stream.ctypes.data,
                stream_bytes.ctypes.data,
                len(block_bytes),
            )
        seen = library().replay(steps, len(steps), group)
        return time.perf_counter() - begin, seen

    def _ends_of_searches(self, trace: Trace) -> list[tuple[Array, Array, Array, Array]]:
        """By table whose cuts are known: its blocks, the byte of each seed's; its stream, and the same."""
        ends = []
        for times, cuts in zip(self._arrays.times, trace.cuts, strict=True):
            if times is None or cuts is None:
                continue
            blocks, stream = times
            last = np.maximum(cuts - 1, 0)
            block = last // TIME_BLOCK
            packed = blocks.view(np.uint64).reshape(-1, 3)[block, 2]
            width, begin = (
                (packed & np.uint64(0xFF)).astype(np.int64),
                (packed >> np.uint64(8)).astype(np.int64),
            )
            ends.append((blocks, block * TIME_BLOCK_BYTES, stream, begin + last % TIME_BLOCK * width // 8))
        return ends

    def _native_steps(self, trace: Trace) -> ctypes.Array[_Step]:
        written = [0] * len(self._arrays.edge_types)
        steps = []
        for step in trace.steps:
            of_type = self._arrays.graph.edge_types[step.edge_type]
            offsets, neighbors, offset_width, neighbor_width = self._arrays.edge_types[step.edge_type]
            place, found = 8 * written[step.edge_type], of_type.found
            written[step.edge_type] += len(step.picks)
            steps.append(
                _Step(
                    rows=step.rows.ctypes.data,
                    counts=step.counts.ctypes.data,
                    visible=None if step.visible is None else step.visible.ctypes.data,
                    seeds=None if step.seeds is None else step.seeds.ctypes.data,
                    picks=step.picks.ctypes.data,
                    num_rows=len(step.rows),
                    max_count=int(step.counts.max(initial=0)),
                    offsets=None if offsets is None else offsets.ctypes.data,
                    neighbors=neighbors.ctypes.data,
                    offset_width=offset_width,
                    neighbor_width=neighbor_width,
                    table=self._tables[found].ctypes.data,
                    table_mask=self._masks[found],
                    table_has_keys=self._has_keys,
                    origins=None if step.origins is None else step.origins.ctypes.data,
                    first_target=step.first_target,
                    found=self.found[found].ctypes.data,
                    batch=self.batch[found].ctypes.data,
                    num_found=self.num_found.ctypes.data + 8 * found,
                    source=self.source[step.edge_type].ctypes.data + place,
                    target=self.target[step.edge_type].ctypes.data + place,
                )
            )
        return (_Step * len(steps))(*steps)


class ReplayLimit:
    """The fastest replay of some traces that this machine is known to do.

    Args:
        graph: What was sampled.
        orders: By name, the traces of different batches, enough to overflow the caches.
        disjoint: See `Replay`.
    """

    def __init__(self, graph: Graph, orders: dict[str, list[Trace]], *, disjoint: bool) -> None:
        self.traces = next(iter(orders.values()))
        best, rate = None, 0.0
        for packed in (False, True):
            arrays = Arrays(graph, packed=packed)
            for order, traces in orders.items():
                replay = Replay(arrays, traces, disjoint=disjoint)
                for group in GROUPS:
                    reached = max(self._rate(replay, group) for _ in range(3))
                    if reached > rate:
                        best, rate = (arrays, order, group), reached
        assert best is not None, "something was sampled"
        arrays, order, self._group = best
        self._replays = [Replay(arrays, orders[order], disjoint=disjoint) for _ in range(2)]
        array = "packed" if arrays.packed else "32-bit"
        self.way = f"{array}, {order}, {self._group} rows a group"

    def edges_a_second(self, num_threads: int) -> float:
        """Of one pass over all traces; two threads take every second one each."""
        if num_threads == 1:
            return self._rate(self._replays[0], self._group)
        begin = time.perf_counter()
        with ThreadPoolExecutor(2) as threads:
            list(
                threads.map(
                    lambda t: [self._replays[t].run(i, self._group) for i in self._share(t)], range(2)
                )
            )
        return sum(trace.num_edges for trace in self.traces) / (time.perf_counter() - begin)

    def _share(self, thread: int) -> range:
        return range(thread, len(self.traces), 2)

    def _rate(self, replay: Replay, group: int) -> float:
        seconds = sum(replay.run(i, group)[0] for i in range(len(self.traces)))
        return sum(trace.num_edges for trace in self.traces) / seconds


def _edges_by_type(trace: Trace, num_edge_types: int) -> list[int]:
    sizes = [0] * num_edge_types
    for step in trace.steps:
        sizes[step.edge_type] += len(step.picks)
    return sizes


def _on_huge_pages(array: Array) -> Array:
    copy = memory(array.nbytes).view(array.dtype)
    copy[:] = array
    return copy
