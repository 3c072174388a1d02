"""What was inferred, as a table that people read."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table as Grid

from relhop.infer.guess import Explanation
from relhop.schema import Schema, Stype


def print_explanations(
    explanations: Sequence[Explanation], schema: Schema, console: Console | None = None
) -> None:
    """Prints keys, times and links with their reasons, and the columns of each semantic type.

    The reasons of semantic types are many, and stay in `Graph.explanations`.

    Args:
        explanations: As `complete` gives them.
        schema: The schema that they explain.
        console: Where to; by default the terminal.
    """
    console = console or Console()
    roles = Grid(
        "table", "column", "is", "because", title="What the tables are taken for", title_justify="left"
    )
    stypes = frozenset(map(str, Stype))
    for table in schema.tables:
        told = [e for e in explanations if e.table == table and e.guess not in stypes]
        for i, (_, column, guess, why) in enumerate(told):
            roles.add_row(table if i == 0 else "", column or "", guess, why, end_section=i == len(told) - 1)
    console.print(roles)
    columns = Grid("table", "semantic type", "columns", title="What the columns mean", title_justify="left")
    for name, described in schema.tables.items():
        by_stype = {s: [c for c, stype in described.stypes.items() if stype == s] for s in Stype}
        shown = [(str(s), ", ".join(found)) for s, found in by_stype.items() if found]
        for i, (stype, names) in enumerate(shown):
            columns.add_row(name if i == 0 else "", stype, names, end_section=i == len(shown) - 1)
    console.print(columns)
    console.print(
        "Wrong? Say so in tables= and links=, or in a graph.yaml; Graph.explanations has every reason."
    )
