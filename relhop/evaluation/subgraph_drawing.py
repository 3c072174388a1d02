"""The rows behind a score as an SVG: the entity on the left, what each hop found in a column to the right of
it.

Size is influence; a full circle raised the score, a hollow one lowered it. Colors are tables. The most
influential rows are named, with their age at the anchor time; each row tells its columns when pointed at, by
SVG's own `<title>`, without a script.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from relhop.evaluation.rows import value_text

MAX_DRAWN = 100
"""Rows that are drawn: those of most influence, and what leads to them."""

MAX_NAMED = 15

TABLE_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#8B6914", "#555555")
"""Of Okabe and Ito (2008), but for the last two; of more tables some share a color."""

_GREY, _LIGHT = "#999999", "#cccccc"
_COLUMN, _LEFT, _TOP, _RIGHT = 300, 40, 64, 260
_NAMED_HEIGHT, _SMALL_HEIGHT = 20, 10
_SMALLEST, _LARGEST = 3.0, 12.0
_NAME_LENGTH = 26


def draw_subgraph(title: str, nodes: pd.DataFrame, edges: pd.DataFrame) -> str:
    """An SVG element.

    Args:
        title: What is explained, in words.
        nodes: See `relhop.evaluation.explanation.Explanation.nodes`; the entity is the first.
        edges: See `relhop.evaluation.explanation.Explanation.edges`.
    """
    influence = nodes["influence"].fillna(0).to_numpy()
    drawn = _drawn(influence, nodes["parent"].to_numpy())
    by_influence = np.argsort(-np.abs(influence), kind="stable")
    named = {0, *(int(node) for node in by_influence[:MAX_NAMED] if influence[node] and drawn[node])}
    places, height = _places(nodes, drawn, named)
    tables = list(dict.fromkeys(nodes["table"]))
    colors = {table: TABLE_COLORS[i % len(TABLE_COLORS)] for i, table in enumerate(tables)}
    hops = int(nodes["hop"][drawn].max())
    width = _LEFT + hops * _COLUMN + _RIGHT
    parts = [_legend(nodes, colors, hops, int((~drawn).sum()))]
    parts += _lines(nodes, edges, places)
    largest = np.abs(influence).max() or 1.0
    for number, row in enumerate(nodes.to_dict("records")):
        if drawn[number]:
            share = 1.0 if number == 0 else float(np.sqrt(abs(influence[number]) / largest))
            radius = _SMALLEST + (_LARGEST - _SMALLEST) * share
            parts.append(_circle(row, places[number], radius, colors[row["table"]], number in named))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:.0f}" width="{width}"'
        f' height="{height:.0f}" font-family="system-ui, sans-serif" font-size="11" role="img">'
        f"<title>{html.escape(title)}</title>{''.join(parts)}</svg>"
    )


def _drawn(influence: NDArray[np.float64], parent: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which nodes are drawn, bool [nodes]."""
    drawn = np.zeros(len(influence), bool)
    drawn[0] = True
    for node in np.argsort(-np.abs(influence), kind="stable").tolist():
        path = []
        while not drawn[node]:
            path.append(node)
            node = int(parent[node])
        if drawn.sum() + len(path) <= MAX_DRAWN:
            drawn[path] = True
    return drawn


def _places(
    nodes: pd.DataFrame, drawn: NDArray[np.bool_], named: set[int]
) -> tuple[dict[int, tuple[float, float]], float]:
    """The middle of each node that is drawn, and the height of the picture: a tree from left to right.

    Nodes found from the same one are ordered by step, then newest first.
    """
    shown = (
        nodes[drawn]
        .iloc[1:]
        .sort_values(["step", "time"], ascending=[True, False], kind="stable", na_position="last")
    )
    children: dict[int, list[int]] = {}
    for node, parent in zip(shown.index, shown["parent"], strict=True):
        children.setdefault(int(parent), []).append(int(node))
    places: dict[int, tuple[float, float]] = {}
    bottom = float(_TOP)

    def place(node: int, above_is_named: bool) -> float:
        nonlocal bottom
        is_named = node in named
        below = [place(child, is_named) for child in children.get(node, [])]
        if below:
            middle = (below[0] + below[-1]) / 2
        else:
            step = _NAMED_HEIGHT if is_named or above_is_named else _SMALL_HEIGHT
            middle = bottom + step / 2
            bottom += step
        places[node] = (_LEFT + int(nodes["hop"][node]) * _COLUMN, middle)
        return middle

    place(0, False)
    return places, bottom + _NAMED_HEIGHT


def _legend(nodes: pd.DataFrame, colors: dict[str, str], hops: int, hidden: int) -> str:
    counts = nodes["table"].value_counts()
    parts, x = [], float(_LEFT - 12)
    for table, color in colors.items():
        text = f"{table} ({counts[table]:,})"
        parts.append(f'<circle cx="{x:.1f}" cy="14" r="5" fill="{color}"/>{_text(x + 9, 18, text)}')
        x += 9 + 6.4 * len(text) + 14
    parts.append(_text(_LEFT - 17, 34, _how_to_read(hidden), _GREY))
    heads = ["the entity", *(f"hop {hop}" for hop in range(1, hops + 1))]
    parts += [_text(_LEFT - 12 + hop * _COLUMN, 54, head, _GREY) for hop, head in enumerate(heads)]
    return "".join(parts)


def _how_to_read(hidden: int) -> str:
    text = "size: influence; full: raised the score, hollow: lowered it; dashed: further links"
    return text + (f"; {hidden:,} rows of less influence are not drawn" if hidden else "")


def _lines(nodes: pd.DataFrame, edges: pd.DataFrame, places: dict[int, tuple[float, float]]) -> list[str]:
    """What led to each row, and dashed the other edges."""
    lines, found_by = [], set()
    for node, parent in zip(nodes.index, nodes["parent"], strict=True):
        if node and node in places:
            found_by.add((int(node), int(parent)))
            lines.append(_curve(places[int(parent)], places[int(node)], f'stroke="{_LIGHT}"'))
    pairs = zip(edges["source"].tolist(), edges["target"].tolist(), strict=True)
    further = {_pair(*ends) for ends in pairs} - {_pair(*ends) for ends in found_by}
    for one, other in sorted(further):
        if one in places and other in places:
            dashed = f'stroke="{_LIGHT}" stroke-dasharray="2 3" opacity="0.6"'
            lines.append(_curve(places[one], places[other], dashed))
    return lines


def _pair(one: int, other: int) -> tuple[int, int]:
    return min(one, other), max(one, other)


def _curve(start: tuple[float, float], end: tuple[float, float], style: str) -> str:
    (x1, y1), (x2, y2) = start, end
    bend = max(abs(x2 - x1), 60) / 2
    return (
        f'<path d="M{x1:.1f} {y1:.1f}C{x1 + bend:.1f} {y1:.1f} {x2 - bend:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"'
        f' fill="none" {style}/>'
    )


def _circle(
    row: Mapping[Any, Any], place: tuple[float, float], radius: float, color: str, is_named: bool
) -> str:
    x, y = place
    influence, age = row["influence"], age_in_words(row["age_days"])
    lowered = influence < 0
    fill = f'fill="white" stroke="{color}" stroke-width="2"' if lowered else f'fill="{color}" stroke="white"'
    name = ""
    if is_named:
        moved = "" if np.isnan(influence) else f"{influence:+.3g}"
        name = _text(x + radius + 4, y + 4, " · ".join(filter(None, [_short(row["key"]), age, moved])))
    told = [", ".join(filter(None, [row["key"], age]))]
    told += [] if np.isnan(influence) else [f"influence {influence:+.4g}"]
    told += [f"{column}: {value_text(value)}" for column, value in row["values"].items()]
    return (
        f'<g class="node"><circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" {fill}>'
        f"<title>{html.escape(chr(10).join(told))}</title></circle>{name}</g>"
    )


def age_in_words(days: float) -> str:
    """`3 hours before`, `12 days before`, `4.5 years before`; empty for a row without time."""
    if np.isnan(days):
        return ""
    if days < 2:
        return f"{days * 24:.0f} hours before"
    return f"{days:.0f} days before" if days < 730 else f"{days / 365.25:.1f} years before"


def _short(text: str) -> str:
    return text if len(text) <= _NAME_LENGTH else text[: _NAME_LENGTH - 1] + "…"


def _text(x: float, y: float, text: str, color: str = "#222222") -> str:
    halo = 'paint-order="stroke" stroke="white" stroke-width="3"'
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{color}" {halo}>{html.escape(text)}</text>'
