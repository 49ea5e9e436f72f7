"""Group windows into batches under a budget, and lay them out for the model.

Enters: windows and the token ids they range over. Leaves: input ids, padded with their mask, or
end to end with their positions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spark_entities.udfs.core.arrays import Ints, ragged_range
from spark_entities.udfs.core.records import Windows


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTypes:
    """The types (segments) of a window's tokens."""

    prefix: Ints  # of the special tokens before
    text: int
    suffix: Ints  # of the special tokens after
    padding: int

    @property
    def vary(self) -> bool:
        """Whether they are not all 0, which most networks take for granted."""
        return bool(self.text or self.prefix.any() or self.suffix.any())


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What a model wants around the tokens of a window."""

    prefix_ids: Ints  # special tokens before
    suffix_ids: Ints  # special tokens after
    pad_token_id: int
    types: TokenTypes | None = None  # nothing where the network heeds none

    @property
    def num_special_tokens(self) -> int:
        """Special tokens of one window."""
        return len(self.prefix_ids) + len(self.suffix_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Windows laid out for the model in a row each, and which of its answers count."""

    input_ids: Ints  # (rows, width)
    attention_mask: Ints | None  # (rows, width); nothing where there is no padding
    token_type_ids: Ints | None = None  # (rows, width); nothing where the network heeds none
    places: Ints  # (owned,): where the windows' own tokens stand, counted along all rows
    tokens: Ints  # (owned,): which of the buffer's tokens they are


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """Windows laid out for the model end to end in one row, and which of its answers count."""

    input_ids: Ints  # (1, width)
    position_ids: Ints  # (1, width): the place of each token in its window
    row_splits: Ints  # (num_windows + 1,): where each window begins
    places: Ints  # (owned,): as in a batch
    tokens: Ints  # (owned,)

    @property
    def longest(self) -> int:
        """Tokens of the longest window."""
        return int(np.diff(self.row_splits).max())


def plan_batches(
    lengths: Ints, *, max_padded_tokens: int, batch_cost_tokens: int, pads: bool = True
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
        pads: whether windows of several lengths may go together.

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
    groups = [(place, place) for place in range(len(widths))]
    if pads:
        groups = _cheapest_groups(widths, starts, ends, most_rows, batch_cost_tokens)
    for first, last in groups:
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
    """Lay out some windows in a row each, between their special tokens and padded to a width.

    Args:
        token_ids: (num_tokens,), of the whole buffer.
        windows: of the whole buffer.
        rows: which of them, int64, (batch rows,).
        frame: special tokens and padding.
        width: of the batch; the longest of the windows, with its special tokens, fits in.

    """
    starts = np.arange(len(rows)) * width
    input_ids = np.full((len(rows), width), frame.pad_token_id, dtype=np.int64)
    sizes = _fill(input_ids, starts, token_ids, windows, rows, frame)
    mask = None
    if sizes.min() < width:
        mask = np.zeros_like(input_ids)
        mask.reshape(-1)[ragged_range(starts, sizes)] = 1
    types = None
    if frame.types is not None:
        types = np.full((len(rows), width), frame.types.padding, dtype=np.int64)
        before, after = frame.types.prefix, frame.types.suffix
        types.reshape(-1)[ragged_range(starts, sizes)] = frame.types.text
        types[:, : len(before)] = before
        types.reshape(-1)[(starts + sizes - len(after))[:, None] + np.arange(len(after))] = after
    places, tokens = _own(starts, windows, rows, frame)
    return Batch(
        input_ids=input_ids,
        attention_mask=mask,
        token_type_ids=types,
        places=places,
        tokens=tokens,
    )


def lay_end_to_end(
    token_ids: NDArray[np.int32], windows: Windows, rows: Ints, frame: Frame
) -> Pack:
    """Lay out some windows one behind the other, between their special tokens.

    Arguments are those of `lay_out`.
    """
    sizes = windows.ends[rows] - windows.starts[rows] + frame.num_special_tokens
    splits = np.append(0, np.cumsum(sizes))
    input_ids = np.empty((1, splits[-1]), dtype=np.int64)
    _fill(input_ids, splits[:-1], token_ids, windows, rows, frame)
    places, tokens = _own(splits[:-1], windows, rows, frame)
    return Pack(
        input_ids=input_ids,
        position_ids=ragged_range(np.zeros_like(sizes), sizes)[None],
        row_splits=splits,
        places=places,
        tokens=tokens,
    )


def _fill(
    input_ids: Ints,
    starts: Ints,
    token_ids: NDArray[np.int32],
    windows: Windows,
    rows: Ints,
    frame: Frame,
) -> Ints:
    """Write windows between their special tokens, each from its place on; return their sizes."""
    flat, before, after = input_ids.reshape(-1), len(frame.prefix_ids), len(frame.suffix_ids)
    sizes = windows.ends[rows] - windows.starts[rows]
    flat[ragged_range(starts + before, sizes)] = token_ids[
        ragged_range(windows.starts[rows], sizes)
    ]
    flat[starts[:, None] + np.arange(before)] = frame.prefix_ids
    flat[(starts + before + sizes)[:, None] + np.arange(after)] = frame.suffix_ids
    return sizes + before + after


def _own(starts: Ints, windows: Windows, rows: Ints, frame: Frame) -> tuple[Ints, Ints]:
    """Return where windows' own tokens stand, and which of the buffer's tokens they are."""
    owned = windows.owned_starts[rows]
    sizes = windows.owned_ends[rows] - owned
    before_owned = owned - windows.starts[rows] + len(frame.prefix_ids)
    return ragged_range(starts + before_owned, sizes), ragged_range(owned, sizes)
