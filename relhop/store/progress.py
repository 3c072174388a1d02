"""Progress of long work on a store: one bar a step, on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from types import TracebackType
from typing import Self, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

_Item = TypeVar("_Item")


class Steps:
    """A context in which `over` shows a bar a step; silent unless `enabled` and stderr is a terminal."""

    def __init__(self, enabled: bool) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[item]}"),
            console=Console(file=sys.stderr),
            disable=not (enabled and sys.stderr.isatty()),
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def over(self, step: str, items: Collection[_Item]) -> Iterator[_Item]:
        """The items one after another; the bar moves when the next one is asked for."""
        bar = self._bars.add_task(step, total=len(items), item="")
        for item in items:
            self._bars.update(bar, item=str(item))
            yield item
            self._bars.advance(bar)
        self._bars.update(bar, item="")
