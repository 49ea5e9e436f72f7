"""Group windows of similar length into batches under a budget, and lay them out for the model.

Enters: windows and the token ids they range over. Leaves: padded input ids with their mask.
Must not import: pyspark, torch, transformers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from udfs.records import Bools, Ints, Windows


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What a model wants around the tokens of a window."""

    prefix_ids: Ints  # special tokens before
    suffix_ids: Ints  # special tokens after
    pad_token_id: int

    @property
    def num_special_tokens(self) -> int:
        """Special tokens of one window."""
        return len(self.prefix_ids) + len(self.suffix_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Windows laid out for the model. All arrays: (rows, width)."""

    input_ids: Ints
    attention_mask: Ints
    token_index: Ints  # the token of the buffer at each place, where `owned`
    owned: Bools  # places with a token whose prediction this window gives


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


def lay_out(token_ids: NDArray[np.int32], windows: Windows, rows: Ints, frame: Frame) -> Batch:
    """Lay out some windows, each between its special tokens, padded to the longest.

    Args:
        token_ids: (num_tokens,), of the whole buffer.
        windows: of the whole buffer.
        rows: which of them, int64, (batch rows,).
        frame: special tokens and padding.

    """
    starts, ends = windows.starts[rows, None], windows.ends[rows, None]
    before, after = len(frame.prefix_ids), len(frame.suffix_ids)
    width = int((ends - starts).max()) + before + after
    columns = np.arange(width)[None, :]
    token_index = starts + columns - before
    inside = (token_index >= starts) & (token_index < ends)
    input_ids = np.full(inside.shape, frame.pad_token_id, dtype=np.int64)
    input_ids[inside] = token_ids[token_index[inside]]
    input_ids[:, :before] = frame.prefix_ids
    tail = before + ends - starts + np.arange(after)[None, :]
    np.put_along_axis(input_ids, tail, np.broadcast_to(frame.suffix_ids, tail.shape), axis=1)
    owned_starts, owned_ends = windows.owned_starts[rows, None], windows.owned_ends[rows, None]
    return Batch(
        input_ids=input_ids,
        attention_mask=(columns < ends - starts + before + after).astype(np.int64),
        token_index=token_index,
        owned=(token_index >= owned_starts) & (token_index < owned_ends),
    )
