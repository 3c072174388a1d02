"""What an earlier model learnt, taken over by a new one of the same task and schema.

A newer store may have values that the earlier one had not, and nulls. So what belongs to columns is taken
over by name and what belongs to categories by value; what the earlier model did not know starts fresh.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch_frame.data.stats import StatType
from torch_frame.nn.encoder import (
    EmbeddingEncoder,
    MultiCategoricalEmbeddingEncoder,
    StypeEncoder,
    StypeWiseFeatureEncoder,
)

from relhop.checkpoint import Description, schema_difference
from relhop.errors import TrainingError
from relhop.ranking.items import ItemEmbedding


def check_start(earlier: Description, described: Description) -> None:
    """Raises TrainingError if an earlier model answers another question than a new one, or of other data."""
    for name in ("entity_table", "task_type", "classes", "item_table", "timeframes"):
        was, now = (getattr(task, name) for task in (earlier.task, described.task))
        if was != now:
            raise TrainingError(
                f"the model of warm_start has the {name.replace('_', ' ')} {_shown(was)}, the new one"
                f" {_shown(now)}; start from a model of the same task, or without warm_start"
            )
    difference = schema_difference(earlier.schema, described.schema)
    if difference is not None:
        raise TrainingError(f"the model of warm_start is of another schema: {difference}")


def take_over(model: nn.Module, earlier: nn.Module) -> list[str]:
    """Copies into a model what an earlier one learnt: parameters of the same name and shape, and running
    statistics of batch normalisation; of pytorch-frame's column encoders and of items that are known by name,
    what belongs to columns, values and items that both know.

    Args:
        model: Changed in place; on the CPU.
        earlier: Is on the CPU then.

    Returns:
        What was not taken over, in words.
    """
    notes: list[str] = []
    theirs, done = dict(earlier.cpu().named_modules()), set[str]()
    with torch.no_grad():
        for name, module in model.named_modules():
            before = theirs.get(name)
            if isinstance(module, StypeWiseFeatureEncoder) and isinstance(before, StypeWiseFeatureEncoder):
                notes += [f"{name}: {note}" for note in _take_columns(module, before)]
                done |= {f"{name}.{inner}" for inner, _ in module.named_parameters()}
            elif isinstance(module, ItemEmbedding) and isinstance(before, ItemEmbedding):
                notes += [f"{name}: {note}" for note in _take_items(module, before)]
                done.add(f"{name}.vectors")
            elif isinstance(module, _BatchNorm) and isinstance(before, _BatchNorm):
                notes += _take(name, dict(module.named_buffers()), dict(before.named_buffers()))
        own = {name: weight for name, weight in model.named_parameters() if name not in done}
        notes += _take("", own, dict(earlier.named_parameters()))
    return notes


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, str) else repr(value)


def _take(place: str, own: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> list[str]:
    """Copies what has the same name and shape; says what has not."""
    notes = []
    for name, weight in own.items():
        full = f"{place}.{name}" if place else name
        if name not in before:
            notes.append(f"{full} is new")
        elif before[name].shape != weight.shape:
            notes.append(f"{full} has shape {tuple(weight.shape)}, had {tuple(before[name].shape)}")
        else:
            weight.copy_(before[name])
    return notes


def _take_columns(own: StypeWiseFeatureEncoder, before: StypeWiseFeatureEncoder) -> list[str]:
    """Copies what belongs to columns and values that both know; says what is new."""
    notes = []
    encoders = dict(before.encoder_dict.items())
    for stype, columns in own.col_names_dict.items():
        mine, theirs = own.encoder_dict[stype.value], encoders.get(stype.value)
        known = before.col_names_dict.get(stype, [])
        pairs = {i: known.index(column) for i, column in enumerate(columns) if column in known}
        notes += [f"the {stype.value} column {name!r} is new" for name in columns if name not in known]
        if theirs is None:
            continue
        if type(mine) is not type(theirs) or mine.out_channels != theirs.out_channels:
            notes.append(f"{stype.value} columns are encoded in another way")
            continue
        if isinstance(mine, (EmbeddingEncoder, MultiCategoricalEmbeddingEncoder)):
            fresh = _take_values(mine, theirs, pairs)
            notes += [f"of {columns[i]!r} {count:,} values are new" for i, count in fresh.items() if count]
        else:
            _take_by_column(mine, theirs, pairs)
    return notes


def _take_values(own: StypeEncoder, before: StypeEncoder, pairs: Mapping[int, int]) -> dict[int, int]:
    """Copies the vectors of values; counts by column those that are new. Row 0 of a table of vectors is null;
    the columns of one table follow one another.
    """
    values, known = _values(own), _values(before)
    fresh = {}
    for i, j in pairs.items():
        index = {value: place for place, value in enumerate(known[j])}
        both = [(place, index[value]) for place, value in enumerate(values[i]) if value in index]
        fresh[i] = len(values[i]) - len(both)
        new, old = torch.tensor(both, dtype=torch.int64).reshape(-1, 2).T + 1
        if isinstance(own, EmbeddingEncoder):
            mine, theirs = own.emb.weight, before.emb.weight
            new, old = new + own.offset[i], old + before.offset[j]
        else:
            mine, theirs = own.embs[i].weight, before.embs[j].weight
        mine[0] = theirs[0]
        mine[new] = theirs[old]
    return fresh


def _values(encoder: StypeEncoder) -> list[Sequence[Any]]:
    """By column the values that an encoder knows, in the order of their indices."""
    kind = StatType.COUNT if isinstance(encoder, EmbeddingEncoder) else StatType.MULTI_COUNT
    return [stats[kind][0] for stats in encoder.stats_list]


def _take_by_column(own: StypeEncoder, before: StypeEncoder, pairs: Mapping[int, int]) -> None:
    """Copies parameters that have an entry a column, or are lists of one a column."""
    theirs = dict(before.named_parameters())
    for name, weight in own.named_parameters():
        group, _, place = name.rpartition(".")
        if place.isdigit():
            old = theirs.get(f"{group}.{pairs.get(int(place))}")
            if old is not None and old.shape == weight.shape:
                weight.copy_(old)
        else:
            for i, j in pairs.items():
                weight[i] = theirs[name][j]


def _take_items(own: ItemEmbedding, before: ItemEmbedding) -> list[str]:
    """Copies the vectors of items that both know by name."""
    if own.vectors.shape[1] != before.vectors.shape[1]:
        return [f"vectors of items have {own.vectors.shape[1]} channels, had {before.vectors.shape[1]}"]
    _, new, old = np.intersect1d(own.hashes.numpy(), before.hashes.numpy(), return_indices=True)
    own.vectors[torch.from_numpy(new)] = before.vectors[torch.from_numpy(old)]
    count = len(own.hashes) - len(new)
    return [f"{count:,} items are new"] if count else []
