"""Cut documents into overlapping windows, and give every token to one of them.

Enters: how many tokens each document has, and which of them start a word.
Leaves: token ranges for the model, and the part of each range that is kept.
"""

from __future__ import annotations

import numpy as np

from spark_entities.udfs.core.arrays import Bools, Ints
from spark_entities.udfs.core.records import Windows


def cut_windows(
    row_splits: Ints, starts_word: Bools, *, window_tokens: int, stride: int
) -> Windows:
    """Cut documents into windows of at most `window_tokens`, neighbours sharing `stride` tokens.

    Each token is owned by the window in which it is farthest from an edge, the ends of a document
    counting as far: two windows hand over in the middle of their overlap, moved to the word start
    nearest to it. Long inputs are otherwise cut (transformers issues #15177, #4501).

    Args:
        row_splits: (num_documents + 1,), in tokens.
        starts_word: (num_tokens,).
        window_tokens: capacity of a window, special tokens not counted.
        stride: overlap of two neighbours in tokens, smaller than `window_tokens`.

    >>> windows = cut_windows(np.array([0, 5]), np.ones(5, bool), window_tokens=3, stride=1)
    >>> windows.starts, windows.ends, windows.owned_starts
    (array([0, 2]), array([3, 5]), array([0, 2]))

    """
    sizes = np.diff(row_splits)
    step = window_tokens - stride
    counts = np.where(sizes > 0, 1 + np.maximum(0, -(-(sizes - window_tokens) // step)), 0)
    splits = np.concatenate([[0], np.cumsum(counts)])
    document = np.repeat(np.arange(len(sizes)), counts)
    place = np.arange(splits[-1]) - splits[document]

    starts = row_splits[document] + place * step
    ends = np.minimum(starts + window_tokens, row_splits[document + 1])

    owned_starts, owned_ends = starts.copy(), ends.copy()
    later = np.flatnonzero(place > 0)
    handovers = _hand_over(starts[later], ends[later - 1], starts_word)
    owned_starts[later] = handovers
    owned_ends[later - 1] = handovers
    return Windows(
        starts=starts,
        ends=ends,
        owned_starts=owned_starts,
        owned_ends=owned_ends,
        row_splits=splits,
    )


def _hand_over(overlap_starts: Ints, overlap_ends: Ints, starts_word: Bools) -> Ints:
    """Return the word start nearest to the middle of each overlap, or the middle if it has none."""
    middles = (overlap_starts + overlap_ends) // 2
    word_starts = np.append(np.flatnonzero(starts_word), len(starts_word))
    after = word_starts[np.searchsorted(word_starts, middles)]
    before = word_starts[np.maximum(np.searchsorted(word_starts, middles, side="right") - 1, 0)]
    best = np.where(middles - before <= after - middles, before, after)
    return np.where((best >= overlap_starts) & (best <= overlap_ends), best, middles)
