"""Group windows of similar length into batches under a budget, and lay them out for the model.

Enters: windows and the token ids they range over. Leaves: padded input ids with their mask.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spark_entities.udfs.core.arrays import Ints
from spark_entities.udfs.core.records import Windows


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
    """Windows laid out for the model, and which of its answers count."""

    input_ids: Ints  # (rows, width)
    attention_mask: Ints | None  # (rows, width); nothing where there is no padding
    places: Ints  # (owned,): where the windows' own tokens stand, counted along all rows
    tokens: Ints  # (owned,): which of the buffer's tokens they are


def plan_batches(
    lengths: Ints, *, max_padded_tokens: int, batch_cost_tokens: int
) -> Iterator[Ints]:
    """Yield the windows of each batch, longest first, so that all of them together cost least.

    A batch costs its rows times its width, and `batch_cost_tokens` for being one more. Rows times
    width stays within `max_padded_tokens`, but for a single window that is longer. Windows are
    ranked by length, and cut into groups where a shortest path over the distinct lengths says;
    the windows of a group are dealt evenly to as few batches as the budget admits.

    Args:
        lengths: (num_windows,), special tokens counted.
        max_padded_tokens: rows times width of one batch.
        batch_cost_tokens: what a batch costs beside its tokens, in the time of a token.

    Yields: int64, (batch rows,), indices into `lengths`; each index comes once.

    >>> batches = plan_batches(np.array([2, 9, 3, 2]), max_padded_tokens=9, batch_cost_tokens=2)
    >>> [batch.tolist() for batch in batches]
    [[1], [2, 0, 3]]

    """
    order = np.argsort(-lengths, kind="stable")
    widths, counts = np.unique(lengths, return_counts=True)
    widths, ends = widths[::-1], np.cumsum(counts[::-1])
    starts = ends - counts[::-1]
    most_rows = np.maximum(1, max_padded_tokens // widths)
    for first, last in _cheapest_groups(widths, starts, ends, most_rows, batch_cost_tokens):
        group = order[starts[first] : ends[last]]
        yield from np.array_split(group, -(-len(group) // most_rows[first]))


def _cheapest_groups(
    widths: Ints, starts: Ints, ends: Ints, most_rows: Ints, batch_cost_tokens: int
) -> list[tuple[int, int]]:
    """Return the first and the last distinct length of each group, longest first."""
    least = np.zeros(len(widths) + 1)  # least[j]: cost of the j longest of the distinct lengths
    opened = np.zeros(len(widths), dtype=np.int64)  # first length of the group that ends here
    for last in range(len(widths)):
        rows = ends[last] - starts[: last + 1]
        batches = -(-rows // most_rows[: last + 1])
        costs = least[: last + 1] + rows * widths[: last + 1] + batches * batch_cost_tokens
        opened[last] = costs.argmin()
        least[last + 1] = costs[opened[last]]
    groups = []
    last = len(widths) - 1
    while last >= 0:
        groups.append((int(opened[last]), last))
        last = int(opened[last]) - 1
    return groups[::-1]


def lay_out(
    token_ids: NDArray[np.int32], windows: Windows, rows: Ints, frame: Frame, width: int
) -> Batch:
    """Lay out some windows, each between its special tokens, padded to a width.

    Args:
        token_ids: (num_tokens,), of the whole buffer.
        windows: of the whole buffer.
        rows: which of them, int64, (batch rows,).
        frame: special tokens and padding.
        width: of the batch; the longest of the windows, with its special tokens, fits in.

    """
    starts, ends = windows.starts[rows, None], windows.ends[rows, None]
    before, after = len(frame.prefix_ids), len(frame.suffix_ids)
    sizes = ends - starts + before + after
    columns = np.arange(width)[None, :]
    token_index = starts + columns - before
    inside = (token_index >= starts) & (token_index < ends)
    input_ids = np.full(inside.shape, frame.pad_token_id, dtype=np.int64)
    input_ids[inside] = token_ids[token_index[inside]]
    input_ids[:, :before] = frame.prefix_ids
    tail = before + ends - starts + np.arange(after)[None, :]
    np.put_along_axis(input_ids, tail, np.broadcast_to(frame.suffix_ids, tail.shape), axis=1)
    owned_starts, owned_ends = windows.owned_starts[rows, None], windows.owned_ends[rows, None]
    owned = (token_index >= owned_starts) & (token_index < owned_ends)
    return Batch(
        input_ids=input_ids,
        attention_mask=None if sizes.min() == width else (columns < sizes).astype(np.int64),
        places=np.flatnonzero(owned),
        tokens=token_index[owned],
    )
