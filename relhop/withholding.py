"""Batches without the columns that a model must not see, whatever model it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch_frame import TensorFrame
from torch_geometric.data import HeteroData

from relhop.errors import PlanError
from relhop.loader import SeedLoader, age_column
from relhop.schema import Schema


def by_table(withheld: Sequence[str], schema: Schema) -> dict[str, frozenset[str]]:
    """Columns named `table.column`, by table."""
    return {
        table: frozenset(name[len(table) + 1 :] for name in withheld if name.startswith(f"{table}."))
        for table in schema.tables
    }


def check_strategies(
    strategies: Sequence[Mapping[Any, str]], withheld: Sequence[str], schema: Schema
) -> None:
    """Raises PlanError if neighbors are drawn by a column that is withheld."""
    weights = {f"{link.child}.{link.weight}": link for link in schema.links if link.weight is not None}
    for name in withheld:
        drawn = any("weighted" in text for hop in strategies for text in hop.values())
        if name in weights and drawn:
            raise PlanError(
                f"neighbor_sampling.strategy is weighted, but the weight of {weights[name].name} is {name},"
                " which is to be predicted; choose another strategy"
            )


class WithholdingLoader(SeedLoader):
    """A `SeedLoader` whose batches lack some columns.

    Attributes:
        withheld: By table the columns left out.
    """

    withheld: Mapping[str, frozenset[str]]

    def __iter__(self) -> Iterator[HeteroData]:
        """One epoch; see `SeedLoader`."""
        for batch in super().__iter__():
            for table, columns in self.withheld.items():
                if "rest" in batch[table]:
                    batch[table].rest = {
                        name: rows for name, rows in batch[table].rest.items() if name not in columns
                    }
                if columns and "tf" in batch[table]:
                    kept = without(batch[table].tf, columns)
                    if kept is None:
                        del batch[table].tf
                    else:
                        batch[table].tf = kept
            yield batch


def without(frame: TensorFrame, columns: frozenset[str]) -> TensorFrame | None:
    """A frame without some columns and their ages; `None` if none is left."""
    hidden = columns | {age_column(column) for column in columns}
    tensors, names = {}, {}
    for stype, known in frame.col_names_dict.items():
        kept = [i for i, name in enumerate(known) if name not in hidden]
        if kept:
            tensors[stype] = frame.feat_dict[stype][:, kept]
            names[stype] = [known[i] for i in kept]
    return TensorFrame(tensors, names) if tensors else None
