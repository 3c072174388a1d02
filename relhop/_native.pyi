"""
Sampling and gathering of neighborhoods; see native/ for the code behind it.
"""

from collections.abc import Callable, Sequence
import enum
from typing import Annotated, Any

import numpy
from numpy.typing import NDArray


def has_uring() -> bool:
    """Whether relhop was built with liburing."""

class DirectFile:
    """A file that is read past the page cache, in whole blocks."""

    def __init__(self, path: str) -> None: ...

    @property
    def path(self) -> str: ...

    @property
    def size(self) -> int: ...

    @property
    def block_size(self) -> int: ...

    @property
    def is_direct(self) -> bool: ...

class ManyReads:
    """Many reads at once, as the device likes them."""

    def __init__(self, engine: str = 'automatic', depth: int = 256) -> None: ...

    @property
    def engine(self) -> str: ...

    @property
    def stats(self) -> tuple: ...

    def read(self, files: Sequence[DirectFile], which: NDArray[numpy.uint32], offsets: NDArray[numpy.uint64], lengths: NDArray[numpy.uint64], stop_after: int = -1) -> NDArray[numpy.uint8]:
        """
        The bytes of all reads, one after the other; `which` are numbers of files. Fails after `stop_after` reads that arrived.
        """

    def drop(self, files: Sequence[DirectFile], which: NDArray[numpy.uint32], offsets: NDArray[numpy.uint64], lengths: NDArray[numpy.uint64]) -> None:
        """Reads as `read` does, and keeps nothing."""

def plan_extents(records: NDArray[numpy.uint64], record_size: int, file: DirectFile, reads_per_second: float, bytes_per_second: float) -> NDArray[numpy.uint64]:
    """
    What to read for ascending, distinct records: offset, length, first record and the one after the last, a row an extent.
    """

def choose_now(records: NDArray[numpy.uint64], needed: NDArray[numpy.uint8], record_size: int, file: DirectFile, reads_per_second: float, bytes_per_second: float) -> NDArray[numpy.uint8]:
    """
    Of ascending, distinct records, whether to read each now, where some are needed, or later; see native/io/two_plans.h.
    """

def probe(path: str, seconds: float) -> tuple[float, float, bool]:
    """
    Reads of 4 KiB a second, bytes a second in order, and whether they were measured: files of less than 64 MiB are not.
    """

def inject_fault(kind: str, path: str = '', value: int = 0, offset: int = 0, after: int = 0, times: int = 9223372036854775808) -> None:
    """
    For tests only. Reads of files whose path contains `path` 'fail' with errno `value`, are 'cut' to `value` bytes, or have bits `value` of the file's byte `offset` flipped ('flip'): `times` times, after so many that were spared. 'refuse': a step of io_uring's setup ('ring', 'buffers', 'files' as path) fails with errno `value`.
    """

def clear_faults() -> int:
    """For tests only. Removes all faults; how often they struck."""

def width_of(count: int) -> int:
    """
    Bits in which the rows of a table of `count` rows are stored, and the largest value for "no row".
    """

def pack(rows: NDArray[numpy.uint64], width: int) -> NDArray[numpy.uint8]:
    """A stream of `width` bits a row, padded to whole words and one more."""

def encode_times(times: NDArray[numpy.int64], begin: int) -> tuple[NDArray[numpy.uint8], NDArray[numpy.uint8]]:
    """
    Blocks and stream of a piece of ascending times; `begin` bytes of the stream were made before. All pieces but the last hold a multiple of 128 rows. After the last the stream needs 8 bytes of zeros.
    """

class PackedRows:
    def __init__(self, bytes: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)], size: int, width: int) -> None: ...

    def __len__(self) -> int: ...

    @property
    def width(self) -> int: ...

    def decode(self, begin: int, count: int) -> NDArray[numpy.int64]:
        """Consecutive elements, "no row" as -1."""

    def take(self, places: NDArray[numpy.int64]) -> NDArray[numpy.int64]:
        """Elements anywhere, "no row" as -1."""

class PackedTimes:
    def __init__(self, blocks: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)], stream: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)], num_rows: int) -> None: ...

    @staticmethod
    def paged(blocks: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)], pool: PagePool, path: str, num_rows: int) -> PackedTimes:
        """The same of a stream in a file that is read as needed."""

    def __len__(self) -> int: ...

    def decode(self, begin: int, count: int) -> NDArray[numpy.int64]:
        """The times of consecutive rows."""

    def take(self, rows: NDArray[numpy.int64]) -> NDArray[numpy.int64]:
        """The times of some rows."""

    def cut(self, anchor_time: int) -> int:
        """How many rows have time <= anchor_time."""

class PagePool:
    def __init__(self, bytes: int, reads_per_second: float, bytes_per_second: float, page_size: int = 4096) -> None:
        """Memory of so many bytes for pages of files, on a device of such speed."""

    @property
    def bytes(self) -> int: ...

    @property
    def num_frames(self) -> int:
        """Pages that it holds at most; after this no file is added."""

    def stats(self) -> dict[str, Any]:
        """
        'hits' and 'misses' of pages that were wanted; 'reads' of the device, their 'bytes' and the 'seconds' that threads spent reading.
        """

class PagedRows:
    def __init__(self, pool: PagePool, path: str, size: int, width: int) -> None:
        """What PackedRows is, of a file that is read as needed."""

    def __len__(self) -> int: ...

    @property
    def width(self) -> int: ...

    def decode(self, begin: int, count: int) -> NDArray[numpy.int64]:
        """Consecutive elements, "no row" as -1."""

    def take(self, places: NDArray[numpy.int64]) -> NDArray[numpy.int64]:
        """Elements anywhere, "no row" as -1."""

class ListFiles:
    def __init__(self, offsets: str, neighbors: str, edge_ids: str | None = None, weights: str | None = None) -> None:
        """
        Paths: the list of target t is elements [offsets[t], offsets[t + 1]) of the others, neighbors (packed), the positions of the edges in the input (packed), cumulative weights in each list (float64).
        """

class BuiltLists:
    @property
    def num_edges(self) -> int:
        """Edges in the lists: those of the input that have both ends."""

    @property
    def num_buckets(self) -> int: ...

    @property
    def spilled_bytes(self) -> int:
        """Bytes that the memory did not hold."""

def build_lists(targets: PackedRows | NDArray[numpy.integer], num_targets: int, sources: PackedRows | NDArray[numpy.integer] | None, num_sources: int, weights: NDArray[numpy.floating] | None, files: ListFiles, *, sort_sources: bool = False, memory_limit: int, num_threads: int, scratch_folder: str, progress: Callable[[float], None] | None = None) -> BuiltLists:
    """
    Writes the sources of each target, in the order of the edges or ascending, to packed files. Without sources that of edge i is row i. An edge with an end that is "no row" (-1) is left out. `memory_limit` bytes hold all but the input; more goes to a nameless file in `scratch_folder`. `progress` gets the fraction done.
    """

class Strategy(enum.Enum):
    recency = 0

    last = 1

    uniform = 2

    weighted = 3

    labor = 4

class Subgraph(enum.Enum):
    directional = 0

    bidirectional = 1

    induced = 2

class TableRows:
    def __init__(self, name: str, num_rows: int, time: PackedTimes | None) -> None: ...

class EdgeRows:
    @staticmethod
    def lists(name: str, expanded: int, found: int, offsets: PackedRows | PagedRows, neighbors: PackedRows | PagedRows, reverse: int = -1, weights: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)] | PagedRows | None = None, edge_ids: PackedRows | PagedRows | None = None, timed_by: int = -1) -> EdgeRows:
        """
        The list of neighbors of each row of table `expanded` in table `found`; see native/sampling/topology.h. All in memory or all on disk, where weights are numbers of 64 bits. `timed_by`: the table whose rows the edges are, where they have times of their own.
        """

    @staticmethod
    def parents(name: str, expanded: int, found: int, parents: PackedRows | PagedRows, reverse: int = -1) -> EdgeRows:
        """
        The one parent in table `found` that each row of table `expanded` names.
        """

class Topology:
    def __init__(self, tables: Sequence[TableRows], edge_types: Sequence[EdgeRows]) -> None: ...

    def sample(self, options: SampleOptions, tables: NDArray[numpy.uint32], rows: NDArray[numpy.int64], times: NDArray[numpy.int64], num_threads: int = 1) -> dict[str, list[dict[str, Any]]]:
        """
        The neighborhoods of seeds, each a table's number, a row and an anchor time: 'nodes' by table, 'edges' by edge type. Each table's nodes begin with its seeds in the order given; 'batch' is the seed's place in it.
        """

class Rule:
    def __init__(self, fanout: int, strategy: Strategy = Strategy.recency, replace: bool = False, window: int = 0) -> None: ...

class SampleOptions:
    def __init__(self, rules: Sequence[Sequence[Rule]], random_seed: int, epoch: int, caps: Sequence[int], disjoint: bool = True, subgraph: Subgraph = Subgraph.directional, edge_ids: bool = False, metapaths: Sequence[Sequence[int]] = [], adaptive: bool = False, group: int = 64) -> None: ...

CHECKSUM_BLOCK: int = 4096

def crc32c_blocks(bytes: NDArray[numpy.uint8], portable: bool = False) -> NDArray[numpy.uint32]:
    """
    CRC-32C of each block of CHECKSUM_BLOCK bytes, the last one of what is left.
    """

class RecordChecksums:
    def __init__(self, path: str, size: int, record_size: int, checksums: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], slots: PackedRows | None = None) -> None: ...

    def check_blocks(self, bytes: NDArray[numpy.uint8], first_block: int) -> None:
        """
        Compares blocks of the file, whole but for its last, with their checksums. Raises CorruptStore naming file, block and row.
        """

class NumberKind(enum.Enum):
    float32 = 0

    float16 = 1

    bfloat16 = 2

    int8 = 3

class Numbers:
    def __init__(self, kind: NumberKind, scales: Sequence[float] = [], zeros: Sequence[float] = []) -> None:
        """How a table keeps its numbers; scales and zeros are those of int8."""

def decode_numbers(kind: NumberKind, codes: NDArray[numpy.uint8], scale: float = 1.0, zero: float = 0.0, portable: bool = False) -> NDArray[numpy.float32]:
    """A column of numbers as a record keeps them; see native/rows/compact.h."""

class Request:
    def __init__(self, records: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> None: ...

class DiskRecords:
    def __init__(self, table: str, path: str, record_size: int, num_fields: Sequence[int] | None, num_records: int, *, pool_bytes: int, reads_per_second: float, bytes_per_second: float, engine: str = 'automatic', reads_ahead: bool = True, numbers: Numbers | None = None, slots: PackedRows | None = None, checksums: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)] | None = None) -> None: ...

    @property
    def engine(self) -> str:
        """What reads: io_uring or pread."""

    @property
    def is_direct(self) -> bool:
        """Whether reads go past the page cache."""

    @property
    def num_slots(self) -> int:
        """Records that the pool holds."""

    def stats(self) -> dict[str, float]:
        """What was read so far; see native/rows/disk_records.h."""

    def enter(self, batch: Request) -> bool:
        """Puts a batch at the window's end; whether there was room for it."""

    def leave(self, batch: Request) -> None:
        """Takes a batch out of the window, unread."""

    def read(self, batches: Sequence[Request], num_threads: int = 1) -> list[dict[str, Any]]:
        """
        Reads batches at once; what gather() of a FeatureTable gives of each, without times and positions.
        """

class FeatureTable:
    def __init__(self, name: str, records: DiskRecords | Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order='C', device='cpu', writable=False)], num_fields: Sequence[int] | None, time: PackedTimes | None, order: PackedRows | PagedRows | None, numbers: Numbers | None = None, slots: PackedRows | PagedRows | None = None) -> None: ...

    def gather(self, rows: NDArray[numpy.int64], num_threads: int = 1) -> dict[str, Any]:
        """
        The columns of some rows by kind; see relhop.features.RowFeatures. Of raw records, which have no `num_fields`, their bytes: {'raw': uint8 [N, record_size]}.
        """

class HeldRows:
    def __init__(self, rows: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], num_rows: int) -> None:
        """
        Some of a table's rows, ascending, which whoever takes batches has already. Takes 2 bits a row of the table.
        """

    def __len__(self) -> int:
        """How many are held."""

class Pipeline:
    def __init__(self, topology: Topology, wanted: Sequence[tuple[FeatureTable, bool, int]], options: SampleOptions, num_threads: int, ahead: int, look_ahead: int | None = None, held: Sequence[HeldRows | None] = ()) -> None:
        """
        Batches with what is wanted: (features, is_edge, number), of the nodes of table `number`, or by their ids of the edges of edge type `number`. At most `ahead` batches wait for the consumer; `look_ahead` more are sampled where something is on disk, or as many as their sizes and pools tell. What is held of `wanted` is not gathered; it is of 'features' then 'slots', int64 [N]: of a held row its number among those that are held, of others 0; and 'places', int64: where in the batch the others are, whose features come.
        """

    def put(self, tables: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], rows: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], times: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> None:
        """
        Adds a batch: of each seed the number of its table, its row and anchor time. Copies them. After the pipeline's end nothing follows.
        """

    def finish(self) -> None:
        """Says that no batch follows."""

    def next(self) -> dict[str, list[dict[str, Any]]] | None:
        """
        The next batch: what sample() returns, and 'features' as they are wanted, each as gather() of a FeatureTable gives them. None after the last. A RuntimeError where there is none to wait for.
        """

    @property
    def capacity(self) -> int:
        """
        So many batches, put and not yet taken, keep the threads busy and the look-ahead full.
        """

    @property
    def num_started(self) -> int:
        """How many batches were begun so far."""

    def take_stats(self) -> list[dict[str, float]]:
        """
        What was read from disk since the last call, of each that is wanted; nothing where none is on disk.
        """

    def take_seconds(self) -> tuple[float, float]:
        """
        Seconds since the last call that threads sampled, and gathered rows, all threads together.
        """

    def close(self) -> None:
        """Stops the threads; no batch follows."""

def is_integers(text: NDArray[numpy.uint8], delimiter: int, num_fields: int) -> bool:
    """
    Whether each line after the first has so many fields, each empty or an integer: at most 18 digits, perhaps after a minus. Lines end as the first one does, and none is empty.
    """
