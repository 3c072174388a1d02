"""Pictures and the page that holds them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from relhop.report import Report, draw_calibration, draw_history, draw_scatter, draw_schema
from tests import shop


def lines(axes):
    return [line.get_xydata().tolist() for line in axes.get_lines()]


def test_a_page_escapes_text_and_holds_its_pictures_inside(tmp_path: Path) -> None:
    figure = draw_scatter(np.array([1.0, 2.0]), np.array([1.5, 2.5]))
    page = (
        Report("a < b")
        .heading("one & two", 3)
        .text("<script>")
        .code("x > 0")
        .table(("name", "value"), [("ours", 0.12345), ("other", None)], emphasized=(0,))
        .figure(figure, "a caption")
        .write(tmp_path / "report.html")
        .read_text()
    )
    assert "<h1>a &lt; b</h1>" in page
    assert "<h3>one &amp; two</h3>" in page
    assert "<p>&lt;script&gt;</p>" in page
    assert "<pre>x &gt; 0</pre>" in page
    assert "<tr class=ours><td>ours</td><td>0.123</td></tr><tr><td>other</td><td>–</td></tr>" in page
    svg = page[page.index("<svg") : page.index("</svg>") + 6]
    assert ET.fromstring(svg).tag.endswith("svg")
    assert "<figcaption>a caption</figcaption>" in page
    assert "src=" not in page
    assert "href=" not in page.replace("xlink:href=", "")


def test_the_schema_shows_every_table_with_its_rows_and_every_link(tmp_path: Path) -> None:
    (axes,) = draw_schema(shop.store(tmp_path)).axes
    texts = [text.get_text() for text in axes.texts]
    assert {"users\n4 rows", "items\n3 rows", "orders\n8 rows"} <= set(texts)
    arrows = [text for text in axes.texts if getattr(text, "arrow_patch", None) is not None]
    assert len(arrows) == 2
    by_name = {text.get_text().split("\n")[0]: text.get_position() for text in axes.texts if text.get_text()}
    assert by_name["users"][1] > by_name["orders"][1]


@pytest.mark.parametrize(("metric", "best"), [("auroc", 2.0), ("mae", 1.0)])
def test_the_history_marks_the_best_epoch(metric: str, best: float) -> None:
    history = [{"train_loss": 3.0 - i, f"val_{metric}": v} for i, v in enumerate((0.5, 0.8, 0.7))]
    loss, judged = draw_history(history, metric).axes
    assert lines(loss)[0] == [[1.0, 3.0], [2.0, 2.0], [3.0, 1.0]]
    assert lines(judged)[1][0][0] == best


def test_calibration_compares_what_was_said_with_what_happened() -> None:
    score = np.array([0.1, 0.1, 0.9, 0.9])
    (axes,) = draw_calibration(np.array([0, 0, 1, 0]), score, bins=2).axes
    assert lines(axes)[1] == [[pytest.approx(0.1), 0.0], [pytest.approx(0.9), 0.5]]


def test_a_scatter_holds_a_point_an_example() -> None:
    (axes,) = draw_scatter(np.array([1.0, 3.0]), np.array([2.0, 2.0])).axes
    assert axes.collections[0].get_offsets().tolist() == [[2.0, 1.0], [2.0, 3.0]]
