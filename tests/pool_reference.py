"""The slow twin of the buffer pool: which records a pool of some slots holds, read by read.

It is the specification of native/rows/pool.h and what native/rows/disk_records.h does with it, but for records that
come along with others.
"""

from __future__ import annotations

from collections.abc import Sequence

PLACES = 24
PLACES_A_POOL = 3
MOST_ORDER = 63
IDLE, MOST = PLACES, 127
FREE = IDLE + MOST + 1
COUNTERS_EACH = 8
LIFE = 16

Seat = tuple[int, int]
"""A place of the window, and a batch's order among those that have had it."""


def mix(x: int) -> int:
    """The finalizer of SplitMix64."""
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
    return x ^ (x >> 31)


class Pool:
    """A pool before a table of `num_records` records."""

    def __init__(self, num_records: int, num_slots: int) -> None:
        self.num_records = num_records
        self.slots: list[int | None] = [None] * num_slots
        self.uses = [FREE] * num_slots
        self.hands = [0] * (FREE + 1)
        self.counts = [0] * max(min(num_records, COUNTERS_EACH * num_slots), 1)
        self.counted = 0
        self.window: dict[int, set[int]] = {}  # what is wanted, by place, in the order of reading
        self.rows: dict[int, int] = {}  # of all batches that a place has had
        self.orders: dict[int, int] = {}  # of the last of them
        self.left: dict[int, int] = {}  # how many of them are not read
        self.order: dict[int, int] = {}  # by record, that of the batch which wanted it last
        self.end = 0
        self.read_records = self.evictions = 0

    def enter(self, records: Sequence[int]) -> Seat | None:
        """Puts a batch at the window's end, in the last place with others where they are small; none if full."""
        last = (self.end - 1) % PLACES
        if self.window and self.rows[last] + len(records) <= len(self.slots) // PLACES_A_POOL:
            place = last
        elif self.window and (self.end + 1) % PLACES == next(iter(self.window)):
            return None
        else:
            place, self.end = self.end, (self.end + 1) % PLACES
            self.window[place], self.rows[place], self.left[place], self.orders[place] = set(), 0, 0, -1
        self.rows[place] += len(records)
        self.left[place] += 1
        self.orders[place] = min(self.orders[place] + 1, MOST_ORDER)
        for record in records:
            self._count(record)
            self.order[record] = self.orders[place]
            if record in self.slots and self._use(record) >= IDLE:
                self.uses[self.slots.index(record)] = place
            self.window[place].add(record)
        return place, self.orders[place]

    def read(self, round_: Sequence[tuple[Sequence[int], Seat | None]]) -> None:
        """Reads batches at once: the records of each, and its seat in the window if it has one."""
        missing = set()
        for records, seat in round_:
            if seat is None:
                for record in records:
                    self._count(record)
            for record in records:
                if seat is not None:
                    self._release(record, seat)
                if record in self.slots:
                    self.uses[self.slots.index(record)] = self._use(record)
                else:
                    missing.add(record)
            if seat is not None:
                self._leave(seat[0])
        self.read_records += len(missing)
        for record in sorted(missing):
            slot = self._room_for(self._use(record))
            if slot is None:
                continue
            self.evictions += self.slots[slot] is not None
            self.slots[slot], self.uses[slot] = record, self._use(record)

    def _release(self, record: int, seat: Seat) -> None:
        """A record is wanted at the place no more if its last batch goes, or any where other places want it."""
        place, order = seat
        wanted = {other for other, records in self.window.items() if record in records}
        if place not in wanted or (wanted == {place} and self.order[record] > order):
            return
        self.window[place].remove(record)
        self.order[record] = 0

    def _leave(self, place: int) -> None:
        self.left[place] -= 1
        if self.left[place]:
            return
        assert not self.window.pop(place)
        while self.window and (self.end - 1) % PLACES not in self.window:
            self.end = (self.end - 1) % PLACES

    def _use(self, record: int) -> int:
        """The place of the batch that wants a record next; or, beyond all places, how often it was wanted."""
        wanted = [place for place, records in self.window.items() if record in records]
        return wanted[0] if wanted else IDLE + self.counts[self._counter(record)]

    def _room_for(self, use: int) -> int | None:
        present = set(self.uses)
        idle = [level for level in range(IDLE, FREE) if level in present]
        if FREE in present:
            return self._find(FREE)
        if idle:
            return self._find(idle[0]) if use < IDLE or use > idle[0] else None
        later = [place for place in self.window if place in present]
        order = list(self.window)
        if use < IDLE and later and order.index(later[-1]) > order.index(use):
            return self._find(later[-1])
        return None

    def _find(self, use: int) -> int:
        hand = self.hands[use]
        size = len(self.slots)
        found = next(i % size for i in range(hand, hand + size) if self.uses[i % size] == use)
        self.hands[use] = found
        return found

    def _counter(self, record: int) -> int:
        if len(self.counts) == self.num_records:
            return record
        return mix(record) * len(self.counts) >> 64

    def _count(self, record: int) -> None:
        counter = self._counter(record)
        self.counts[counter] = min(self.counts[counter] + 1, MOST)
        self.counted += 1
        if self.counted < LIFE * len(self.counts):
            return
        self.counted = 0
        self.counts = [count // 2 for count in self.counts]
        self.uses = [IDLE + (use - IDLE) // 2 if IDLE <= use < FREE else use for use in self.uses]


def fewest_reads(batches: Sequence[Sequence[int]], num_slots: int) -> int:
    """Belady's optimum: what must be read if of pool and batch always those stay that are wanted soonest."""
    pool: set[int] = set()
    reads = 0
    for i, batch in enumerate(batches):
        wanted = set(batch)
        reads += len(wanted - pool)
        next_use = {
            record: next((j for j in range(i + 1, len(batches)) if record in batches[j]), len(batches))
            for record in pool | wanted
        }
        pool = set(sorted(next_use, key=lambda record: next_use[record])[:num_slots])
    return reads
