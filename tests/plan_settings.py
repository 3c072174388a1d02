"""The tables of docs/plans.md, from the descriptions of the settings.

    python -m tests.plan_settings

writes them anew.
"""

from __future__ import annotations

import json
from pathlib import Path

from relhop.plan import ModelPlan

DOCUMENT = Path(__file__).parent.parent / "docs" / "plans.md"
BEGIN, END = "<!-- settings: begin -->\n", "<!-- settings: end -->\n"


def tables() -> str:
    """A table of settings for each part of a plan."""
    plan = ModelPlan()
    written = plan.model_dump(mode="json")
    lines = []
    for name, part in plan.parts.items():
        lines += [f"### {name}", "", str(type(part).__doc__).split("\n\n")[0].replace("\n    ", " "), ""]
        lines += ["| setting | default | effect and price |", "| --- | --- | --- |"]
        for setting, field in type(part).model_fields.items():
            default = json.dumps(written[name][setting]).strip('"').replace("|", "\\|")
            described = str(field.description).replace("|", "\\|")
            lines.append(f"| `{setting}` | `{default}` | {described} |")
        lines.append("")
    return "\n".join(lines)


def with_tables(document: str) -> str:
    """A document with the tables between its marks."""
    before, after = document.split(BEGIN)[0], document.split(END)[1]
    return f"{before}{BEGIN}\n{tables()}\n{END}{after}"


if __name__ == "__main__":
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text()))
