"""Group windows into batches under a budget, and lay them out for the model.

Enters: windows and the token ids they range over. Leaves: input ids, padded with their mask, or
end to end with their positions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spark_entities.udfs.core.arrays import Ints, ragged_range
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
    """Windows laid out for the model, in a row each or end to end, and which answers count."""

    input_ids: Ints  # (rows, width)
    attention_mask: Ints | None  # (rows, width); nothing where there is no padding
    places: Ints  # (owned,): where the windows' own tokens stand, counted along all rows
    tokens: Ints  # (owned,): which of the buffer's tokens they are
    position_ids: Ints | None = None  # (1, width), of a pack: each token's place in its window
    row_splits: Ints | None = None  # (num_windows + 1,), of a pack: where each window begins


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


def plan_packs(lengths: Ints, *, max_tokens: int) -> Iterator[Ints]:
    """Yield the windows of each pack, in their order: as many as stay within a budget.

    Args:
        lengths: (num_windows,), special tokens counted.
        max_tokens: of one pack, but for a single window that is longer.

    Yields: int64, (windows of the pack,), indices into `lengths`; each index comes once.

    >>> [pack.tolist() for pack in plan_packs(np.array([2, 9, 3, 2]), max_tokens=9)]
    [[0], [1], [2, 3]]

    """
    ends = np.cumsum(lengths)
    first = 0
    while first < len(lengths):
        before = ends[first] - lengths[first]
        last = max(first + 1, int(np.searchsorted(ends, before + max_tokens, side="right")))
        yield np.arange(first, last)
        first = last


def lay_out(
    token_ids: NDArray[np.int32], windows: Windows, rows: Ints, frame: Frame, width: int
) -> Batch:
    """Lay out some windows in a row each, padded to a width.

    Args:
        token_ids: (num_tokens,), of the whole buffer.
        windows: of the whole buffer.
        rows: which of them, int64, (batch rows,).
        frame: special tokens and padding.
        width: of the batch; the longest of the windows, with its special tokens, fits in.

    """
    starts = np.arange(len(rows)) * width
    return _fill((len(rows), width), starts, token_ids, windows, rows, frame)


def lay_end_to_end(
    token_ids: NDArray[np.int32], windows: Windows, rows: Ints, frame: Frame, size: int
) -> Batch:
    """Lay out some windows one behind the other, in one row of a size: a pack.

    What is left of the row is padding, and counts as one more window. Other arguments: see
    `lay_out`.
    """
    sizes = windows.ends[rows] - windows.starts[rows] + frame.num_special_tokens
    splits = np.append(0, np.cumsum(sizes))
    batch = _fill((1, size), splits[:-1], token_ids, windows, rows, frame)
    position_ids = np.zeros((1, size), dtype=np.int64)
    position_ids[0, : splits[-1]] = ragged_range(np.zeros_like(sizes), sizes)
    return replace(
        batch,
        attention_mask=None,
        position_ids=position_ids,
        row_splits=splits if splits[-1] == size else np.append(splits, size),
    )


def _fill(
    shape: tuple[int, int],
    row_starts: Ints,
    token_ids: NDArray[np.int32],
    windows: Windows,
    rows: Ints,
    frame: Frame,
) -> Batch:
    """Fill a batch of a shape with windows between their special tokens, each from its place on."""
    before, after = len(frame.prefix_ids), len(frame.suffix_ids)
    starts, ends = windows.starts[rows], windows.ends[rows]
    sizes = ends - starts
    input_ids = np.full(shape, frame.pad_token_id, dtype=np.int64)
    flat = input_ids.reshape(-1)
    flat[ragged_range(row_starts + before, sizes)] = token_ids[ragged_range(starts, sizes)]
    flat[row_starts[:, None] + np.arange(before)] = frame.prefix_ids
    flat[(row_starts + before + sizes)[:, None] + np.arange(after)] = frame.suffix_ids

    mask = None
    sizes += before + after
    if sizes.sum() < input_ids.size:
        mask = np.zeros(shape, dtype=np.int64)
        mask.reshape(-1)[ragged_range(row_starts, sizes)] = 1
    owned_starts = windows.owned_starts[rows]
    owned_sizes = windows.owned_ends[rows] - owned_starts
    return Batch(
        input_ids=input_ids,
        attention_mask=mask,
        places=ragged_range(row_starts + before + owned_starts - starts, owned_sizes),
        tokens=ragged_range(owned_starts, owned_sizes),
    )
