"""Turn one label a token into entities, over a whole buffer of documents at once.

Enters: tokens with their words, and the model's prediction for each.
Leaves: entities as flat arrays.

Strategies are named and meant as in transformers' `TokenClassificationPipeline`; what is a word is
decided in `words`, not by the tokenizer (transformers issues #11887, #12593, #23322, #27876).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from spark_entities.udfs.core.arrays import Bools, Floats, Ints
from spark_entities.udfs.core.labels import LabelScheme
from spark_entities.udfs.core.records import Entities, Predictions, Tokens
from spark_entities.udfs.options import AggregationStrategy


@dataclass(frozen=True, slots=True, kw_only=True)
class _Elements:
    """What is labelled as one: tokens or words, in order."""

    label_ids: Ints  # (num_elements,)
    scores: Floats  # (num_elements,)
    offsets: Ints  # (num_elements, 2)
    first_token: Ints  # (num_elements,)


def find_entities(
    tokens: Tokens, predictions: Predictions, scheme: LabelScheme, strategy: AggregationStrategy
) -> Entities:
    """Decode the entities of a buffer of documents."""
    elements = _ELEMENTS[strategy](tokens, predictions)
    row = np.searchsorted(tokens.row_splits, elements.first_token, side="right") - 1
    inside = scheme.group_ids[elements.label_ids] >= 0
    opens = inside & ~_continues(elements, row, scheme) if strategy != "none" else inside
    first = np.flatnonzero(opens)
    entity = np.cumsum(opens) - 1  # of each element inside one
    count = np.bincount(entity[inside], minlength=len(first))
    total = np.bincount(entity[inside], weights=elements.scores[inside], minlength=len(first))
    last = first + count - 1
    per_row = np.bincount(row[first], minlength=len(tokens.row_splits) - 1)
    return Entities(
        label_ids=elements.label_ids[first],
        scores=(total / np.maximum(count, 1)).astype(np.float32),
        offsets=np.stack([elements.offsets[first, 0], elements.offsets[last, 1]], axis=1),
        index=elements.first_token[first] - tokens.row_splits[row[first]] + 1,
        row_splits=np.append(0, np.cumsum(per_row)),
    )


def _continues(elements: _Elements, row: Ints, scheme: LabelScheme) -> Bools:
    labels = elements.label_ids
    follows = np.zeros(len(row), dtype=bool)
    follows[1:] = scheme.continues(labels[:-1], labels[1:]) & (row[:-1] == row[1:])
    return follows


def _label(predictions: Predictions, chosen: Ints, offsets: Ints, first_token: Ints) -> _Elements:
    """Let each element say what one of its tokens does."""
    return _Elements(
        label_ids=predictions.label_ids[chosen],
        scores=predictions.scores[chosen],
        offsets=offsets,
        first_token=first_token,
    )


def _visible_tokens(tokens: Tokens, predictions: Predictions) -> _Elements:
    visible = np.flatnonzero(tokens.word_index >= 0)
    return _label(predictions, visible, tokens.offsets[visible], visible)


def _words_by_first_token(tokens: Tokens, predictions: Predictions) -> _Elements:
    first = np.flatnonzero(tokens.starts_word)
    return _label(predictions, first, tokens.word_offsets, first)


def _words_by_surest_token(tokens: Tokens, predictions: Predictions) -> _Elements:
    visible = np.flatnonzero(tokens.word_index >= 0)
    ranked = visible[np.lexsort((-predictions.scores[visible], tokens.word_index[visible]))]
    surest = ranked[np.flatnonzero(np.diff(tokens.word_index[ranked], prepend=-1))]
    return _label(predictions, surest, tokens.word_offsets, np.flatnonzero(tokens.starts_word))


def _words_by_mean(tokens: Tokens, predictions: Predictions) -> _Elements:
    assert predictions.probabilities is not None  # `needs_probabilities` asked for them
    if not len(tokens.word_offsets):
        return _words_by_first_token(tokens, predictions)
    visible = np.flatnonzero(tokens.word_index >= 0)
    word = tokens.word_index[visible]
    opens = np.flatnonzero(np.diff(word, prepend=-1))
    total = np.add.reduceat(predictions.probabilities[visible], opens, axis=0)
    mean = total / np.bincount(word)[:, None]
    return _Elements(
        label_ids=mean.argmax(axis=1),
        scores=mean.max(axis=1).astype(np.float32),
        offsets=tokens.word_offsets,
        first_token=np.flatnonzero(tokens.starts_word),
    )


_ELEMENTS: dict[AggregationStrategy, Callable[[Tokens, Predictions], _Elements]] = {
    "none": _visible_tokens,
    "simple": _visible_tokens,
    "first": _words_by_first_token,
    "max": _words_by_surest_token,
    "average": _words_by_mean,
}


def needs_probabilities(strategy: AggregationStrategy) -> bool:
    """Tell whether a strategy needs the probability of every label, not only of the best."""
    return strategy == "average"
