"""Group windows of similar length into batches under a budget of padded tokens.

Must not import: pyspark, torch, transformers.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from udfs.records import Ints


def plan_batches(lengths: Ints, max_padded_tokens: int) -> Iterator[Ints]:
    """Yield the windows of each batch, longest first.

    A batch is as wide as its first window and holds as many as the budget admits: rows times width
    stays within `max_padded_tokens`, but for a single window that is longer.

    Args:
        lengths: (num_windows,), special tokens counted.
        max_padded_tokens: rows times width of one batch.

    Yields: int64, (batch rows,), indices into `lengths`; each index comes once.

    >>> [batch.tolist() for batch in plan_batches(np.array([2, 9, 3, 2]), 6)]
    [[1], [2, 0], [3]]

    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        rows = max(1, max_padded_tokens // int(lengths[order[start]]))
        yield order[start : start + rows]
        start += rows
