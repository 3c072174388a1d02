"""Pictures of a store and a trained model, and one HTML file that holds them: no server, no script, nothing
fetched.

Colors are those of Okabe and Ito (2008), which people with any color vision tell apart.
"""

from __future__ import annotations

import html
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from relhop.metrics import SMALLER_IS_BETTER
from relhop.schema import Schema
from relhop.store.reader import Store
from relhop.whole_file import whole_file

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 62rem; margin: 2rem auto; padding: 0
1rem } h1, h2, h3 { line-height: 1.2; margin-top: 2.2rem }
table { border-collapse: collapse; margin: 1rem 0 }
th, td { text-align: left; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid #ddd;
font-variant-numeric: tabular-nums } tr.ours td { font-weight: 600 }
figure { margin: 1.5rem 0 } figcaption { color: #555; font-size: .92rem } svg { max-width: 100%; height:
auto } pre { background: #f5f5f5; padding: .7rem 1rem; font-size: .9rem; white-space: pre-wrap }
"""


class Report:
    """An HTML page, put together from the top; the methods return the report, so that calls chain.

    Args:
        title: Heading of the page.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._parts: list[str] = [f"<h1>{html.escape(title)}</h1>"]

    def heading(self, text: str, level: int = 2) -> Report:
        """A heading of level 2 or 3."""
        self._parts.append(f"<h{level}>{html.escape(text)}</h{level}>")
        return self

    def text(self, text: str) -> Report:
        """A paragraph."""
        self._parts.append(f"<p>{html.escape(text)}</p>")
        return self

    def code(self, text: str) -> Report:
        """Text as it stands, in a fixed-width face."""
        self._parts.append(f"<pre>{html.escape(text)}</pre>")
        return self

    def table(
        self, header: Sequence[str], rows: Sequence[Sequence[Any]], emphasized: Sequence[int] = ()
    ) -> Report:
        """A table; floats get three decimals, `None` a dash, and the rows in `emphasized` stand out."""
        head = "".join(f"<th>{html.escape(h)}</th>" for h in header)
        body = ""
        for i, row in enumerate(rows):
            cells = "".join(f"<td>{html.escape(_shown(cell))}</td>" for cell in row)
            body += f"<tr{' class=ours' * (i in emphasized)}>{cells}</tr>"
        self._parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
        return self

    def figure(self, figure: Figure, caption: str) -> Report:
        """A picture, as SVG inside the page."""
        svg = io.StringIO()
        figure.savefig(svg, format="svg", bbox_inches="tight", metadata={"Date": None})
        drawing = svg.getvalue()
        return self.drawing(drawing[drawing.index("<svg") :], caption)

    def drawing(self, svg: str, caption: str) -> Report:
        """An SVG element, as it stands."""
        self._parts.append(f"<figure>{svg}<figcaption>{html.escape(caption)}</figcaption></figure>")
        return self

    def folded(self, summary: str, text: str) -> Report:
        """Text as it stands, which shows when its summary is clicked on."""
        self._parts.append(
            f"<details><summary>{html.escape(summary)}</summary><pre>{html.escape(text)}</pre></details>"
        )
        return self

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Writes the page and returns its path; the file appears when it is whole."""
        body = "\n".join(self._parts)
        page = (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            f"<title>{html.escape(self._title)}</title><style>{_STYLE}</style></head><body>\n{body}\n</body></html>\n"
        )
        with whole_file(path) as file:
            file.write_text(page, encoding="utf-8")
        return Path(path)


def draw_schema(store: Store) -> Figure:
    """Tables as boxes, parents above their children; an arrow leads from a foreign key to its parent."""
    schema = store.schema
    places = _places(schema)
    width = 1 + max(x for x, _ in places.values())
    height = 1 + max(y for _, y in places.values())
    figure = Figure(figsize=(2.5 * width + 0.5, 1.5 * height + 0.5))
    axes = figure.add_subplot()
    for link in schema.links:
        if link.child == link.parent:
            x, y = places[link.child]
            axes.annotate(f"↺ {link.fkey_name}", (x + 0.42, y + 0.24), fontsize=7, color=GREY, ha="right")
            continue
        arrow = {
            "arrowstyle": "-|>",
            "color": GREY,
            "shrinkA": 22,
            "shrinkB": 22,
            "alpha": 0.7,
            "linewidth": 0.9,
        }
        axes.annotate("", places[link.parent], places[link.child], arrowprops=arrow, zorder=1)
    for name, (x, y) in places.items():
        table = store.tables[name]
        color = BLUE if table.time is not None else GREEN
        box = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": color, "linewidth": 1.6}
        axes.text(
            x, y, f"{name}\n{table.num_rows:,} rows", ha="center", va="center", fontsize=9, bbox=box, zorder=2
        )
    axes.set(xlim=(-0.6, width - 0.4), ylim=(-0.6, height - 0.4))
    axes.axis("off")
    return figure


def draw_history(history: Sequence[Mapping[str, float]], metric: str) -> Figure:
    """The training loss and the validation metric by epoch, side by side; the best epoch is marked.

    Args:
        history: One mapping an epoch with `train_loss` and `val_<metric>`.
        metric: The tuned metric.
    """
    epochs = np.arange(1, len(history) + 1)
    figure = Figure(figsize=(8, 2.8))
    loss, judged = figure.subplots(1, 2)
    loss.plot(epochs, [epoch["train_loss"] for epoch in history], color=BLUE, marker="o", markersize=3)
    loss.set(title="training loss", xlabel="epoch")
    values = np.array([epoch[f"val_{metric}"] for epoch in history])
    judged.plot(epochs, values, color=ORANGE, marker="o", markersize=3)
    if np.isfinite(values).any():
        best = int(np.nanargmin(values) if metric in SMALLER_IS_BETTER else np.nanargmax(values))
        judged.axvline(epochs[best], color=GREY, linewidth=0.8, linestyle="--")
    judged.set(title=f"validation {metric}", xlabel="epoch")
    for axes in (loss, judged):
        tidy(axes)
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.tight_layout()
    return figure


def tidy(axes: Any) -> None:
    """Axes without a box, over light lines."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#eeeeee")
    axes.set_axisbelow(True)


def _shown(cell: Any) -> str:
    if cell is None:
        return "–"
    return f"{cell:.3f}" if isinstance(cell, float) else str(cell)


def _places(schema: Schema) -> dict[str, tuple[float, float]]:
    """Where each table's box stands: a row above all that point at it, rows centered."""
    depth = dict.fromkeys(schema.tables, 0)
    for _ in schema.tables:  # longest path to a table without parents; cycles stop at the number of tables
        for link in schema.links:
            if link.child != link.parent and depth[link.child] <= depth[link.parent] < len(depth) - 1:
                depth[link.child] = depth[link.parent] + 1
    levels = sorted(set(depth.values()))
    rows = [[name for name in depth if depth[name] == level] for level in levels]
    widest = max(len(row) for row in rows)
    return {
        name: (i + (widest - len(row)) / 2, len(rows) - 1 - number)
        for number, row in enumerate(rows)
        for i, name in enumerate(row)
    }
