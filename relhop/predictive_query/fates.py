"""What became of the entities that a training table could have been made of, in words."""

from __future__ import annotations

from relhop.query.anchors import Anchors
from relhop.query.evaluation import Examples
from relhop.query.statement import Drop
from relhop.training_table import SPLIT_NAMES


def unsplit(fates: list[str]) -> list[str]:
    """The same where all anchors count as training until a column splits their examples."""
    return [note.replace("considered for train", "considered") for note in fates]


def fates_of(examples: Examples, anchors: Anchors) -> list[str]:
    """What became of the visible entities, one sentence a split."""
    notes = []
    for name, code in SPLIT_NAMES.items():
        counts = examples.counts[anchors.split == code].sum(axis=0)
        times = anchors.times[anchors.split == code]
        if not len(times):
            continue
        dropped = [
            f"{int(counts[reason]):,} {why}"
            for reason, why in (
                (Drop.where, "fail WHERE"),
                (Drop.assuming, "fail ASSUMING"),
                (Drop.no_value, "have no value to predict"),
            )
            if counts[reason]
        ]
        fate = f"; {', '.join(dropped)}" if dropped else ""
        notes.append(
            f"considered for {name}: {int(counts.sum()):,} visible entities at {len(times):,}"
            f" anchor{'s' if len(times) > 1 else ''}{fate}"
        )
    return notes
