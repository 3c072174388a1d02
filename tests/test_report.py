"""Pictures and the page that holds them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from relhop.report import Report, draw_history, draw_schema
from tests import shop


def lines(axes):
    return [line.get_xydata().tolist() for line in axes.get_lines()]


def test_a_page_escapes_text_and_holds_its_pictures_inside(tmp_path: Path) -> None:
    figure = draw_history([{"train_loss": 1.0, "val_mae": 2.0}], "mae")
    page = (
        Report("a < b")
        .heading("one & two", 3)
        .text("<script>")
        .code("x > 0")
        .table(("name", "value"), [("ours", 0.12345), ("other", None)], emphasized=(0,))
        .figure(figure, "a caption")
        .folded("more & more", "y < 1")
        .drawing("<svg><circle/></svg>", "drawn")
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
    assert "<details><summary>more &amp; more</summary><pre>y &lt; 1</pre></details>" in page
    assert "<figure><svg><circle/></svg><figcaption>drawn</figcaption></figure>" in page
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


@pytest.mark.parametrize(("metric", "best"), [("auroc", 2.0), ("mae", 1.0), ("log_loss", 1.0)])
def test_the_history_marks_the_best_epoch(metric: str, best: float) -> None:
    history = [{"train_loss": 3.0 - i, f"val_{metric}": v} for i, v in enumerate((0.5, 0.8, 0.7))]
    loss, judged = draw_history(history, metric).axes
    assert lines(loss)[0] == [[1.0, 3.0], [2.0, 2.0], [3.0, 1.0]]
    assert lines(judged)[1][0][0] == best
