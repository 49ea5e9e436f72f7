"""The records that travel between the hops: flat NumPy values, and row splits beside them.

`row_splits` (int64, num_documents + 1) tells whose values are whose: document `i` owns the values
`row_splits[i]` to `row_splits[i + 1]`. It is Arrow's own list layout, called offsets there; here
`offsets` are character ranges, in Unicode code points.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from spark_entities.udfs.core.arrays import Bools, Floats, Ints
from spark_entities.udfs.core.text import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """What the pieces of a tokenizer tell of words."""

    text_ids: NDArray[np.int32]  # (vocabulary size,): each id as text, special ones as unknown
    continuation_ids: Bools  # (vocabulary size,): pieces that never start a word (`##ing`)
    word_start_ids: Bools  # (vocabulary size,): pieces that are a word start alone (`▁`)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """The tokens of a buffer, and the words they make. Offsets count in the whole buffer's text."""

    ids: NDArray[np.int32]  # (num_tokens,)
    offsets: Ints  # (num_tokens, 2), outer white space cut off
    row_splits: Ints  # (num_documents + 1,), in tokens
    starts_word: Bools  # (num_tokens,)
    word_index: Ints  # (num_tokens,), -1 for a token of white space alone
    word_offsets: Ints  # (num_words, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Token ranges that go through the model, and the part of each that is its own."""

    starts: Ints  # (num_windows,)
    ends: Ints  # (num_windows,)
    owned_starts: Ints  # (num_windows,)
    owned_ends: Ints  # (num_windows,)
    row_splits: Ints  # (num_documents + 1,), in windows


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """What `encode` makes of a buffer of documents."""

    text: Text
    tokens: Tokens
    windows: Windows


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What it took to classify; costs add up, and so do those of a class with more fields.

    >>> (Cost(num_model_tokens=3, load_seconds=1.5) + Cost(num_model_tokens=4)).num_model_tokens
    7
    """

    num_model_tokens: int = 0  # what the model was given: overlaps and special tokens counted
    num_padded_tokens: int = 0  # the same, with padding
    num_model_loads: int = 0
    load_seconds: float = 0.0
    forward_seconds: float = 0.0

    def __add__(self, other: Self) -> Self:
        names = [field.name for field in fields(self)]
        return type(self)(**{name: getattr(self, name) + getattr(other, name) for name in names})


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """What `forward` makes of an encoding: one label and score a token.

    `probabilities` is there only for the strategy that needs all of them.
    """

    label_ids: Ints  # (num_tokens,)
    scores: Floats  # (num_tokens,)
    probabilities: Floats | None  # (num_tokens, num_labels)
    cost: Cost = Cost()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entities:
    """What `decode` makes of predictions, in order of their documents."""

    label_ids: Ints  # (num_entities,): of the element that opens the entity
    scores: Floats  # (num_entities,)
    offsets: Ints  # (num_entities, 2)
    index: Ints  # (num_entities,): the first token's place in its document, from 1
    row_splits: Ints  # (num_documents + 1,), in entities

    @property
    def counts(self) -> Ints:
        """How many each document has: (num_documents,)."""
        return np.diff(self.row_splits)

    def where(self, kept: Bools) -> Self:
        """Return those of which it says true: (num_entities,)."""
        return type(self)(
            label_ids=self.label_ids[kept],
            scores=self.scores[kept],
            offsets=self.offsets[kept],
            index=self.index[kept],
            row_splits=np.append(0, np.cumsum(kept))[self.row_splits],
        )
