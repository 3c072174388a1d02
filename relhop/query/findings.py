"""What is wrong with a training table before a model is trained on it."""

from __future__ import annotations

from relhop.errors import TrainingError
from relhop.training_table import TRAIN, TrainingTable


def require_examples(table: TrainingTable) -> None:
    """Raises TrainingError if the training split is empty, with what became of the entities."""
    if not (table.split == TRAIN).any():
        considered = [note for note in table.notes if note.startswith("considered")][:1]
        dropped = [note for note in table.notes if " dropped: " in note]
        raise TrainingError(". ".join(["no example is left to train on", *considered, *dropped]))


def constant_label(table: TrainingTable) -> str | None:
    """What is said of a training split whose labels are all the same; `None` if they are not."""
    train = table.splits["train"]
    if not len(train):
        return None
    if train.lists is not None:
        first = train.lists.values[: train.lists.lengths[0]]
        lengths = train.lists.lengths
        is_constant = bool((lengths == lengths[0]).all()) and bool(
            (train.lists.values.reshape(len(train), -1) == first).all()
        )
        shown = f"the list of {len(first)} items"
    else:
        assert train.target is not None
        is_constant = bool((train.target == train.target[0]).all())
        shown = f"{train.target[0]:.6g}" if train.target.ndim == 1 else "the same row of numbers"
        shown = str(train.classes[train.target[0]]) if train.classes is not None else shown
    if not is_constant:
        return None
    return f"all training labels are {shown}, so there is nothing to learn"
