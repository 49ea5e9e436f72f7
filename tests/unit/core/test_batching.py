import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_entities.udfs.core.batching import (
    Frame,
    TokenTypes,
    lay_end_to_end,
    lay_out,
    plan_batches,
    plan_packs,
)
from spark_entities.udfs.core.records import Windows

LENGTHS = st.lists(st.integers(1, 50), max_size=40).map(lambda sizes: np.array(sizes, dtype=int))


def plan(lengths, budget: int, cost: int = 0) -> list[np.ndarray]:
    options = {"max_padded_tokens": budget, "batch_cost_tokens": cost}
    return list(plan_batches(np.array(lengths, dtype=int), **options))


def padded_tokens(lengths, batches) -> int:
    return sum(len(batch) * int(lengths[batch].max()) for batch in batches)


@given(LENGTHS, st.integers(1, 200), st.integers(0, 100))
def test_every_window_is_in_one_batch(lengths, budget, cost):
    batches = plan(lengths, budget, cost)
    assert sorted(np.concatenate([*batches, []])) == list(range(len(lengths)))
    assert all(len(batch) for batch in batches)


@given(LENGTHS, st.integers(1, 200), st.integers(0, 100))
def test_a_batch_stays_within_the_budget_unless_it_is_one_window(lengths, budget, cost):
    for batch in plan(lengths, budget, cost):
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= budget


@given(LENGTHS, st.integers(1, 200))
def test_where_batches_are_free_nothing_is_padded(lengths, budget):
    assert padded_tokens(lengths, plan(lengths, budget)) == lengths.sum()


def cheapest(lengths: list[int], budget: int, cost: int) -> int:
    """Try every way to cut the ranked distinct lengths into groups."""
    widths = sorted(set(lengths), reverse=True)
    totals = []
    for cuts in itertools.product([False, True], repeat=max(0, len(widths) - 1)):
        total, width = 0, 0
        rows = 0
        for length, opens in zip(widths, (True, *cuts), strict=True):
            if opens:
                total += rows * width + -(-rows // max(1, budget // max(1, width))) * cost
                width, rows = length, 0
            rows += lengths.count(length)
        totals.append(total + rows * width + -(-rows // max(1, budget // max(1, width))) * cost)
    return min(totals)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=20), st.integers(1, 60), st.integers(0, 30))
def test_no_other_grouping_costs_less(lengths, budget, cost):
    batches = plan(lengths, budget, cost)
    actual = padded_tokens(np.array(lengths), batches) + cost * len(batches)
    assert actual <= cheapest(lengths, budget, cost)


@pytest.mark.parametrize(
    ("lengths", "budget", "cost", "expected"),
    [
        ([1, 9, 1, 9, 1, 1], 18, 1, [[1, 3], [0, 2, 4, 5]]),  # similar lengths together
        ([10, 9], 100, 2, [[0, 1]]),  # a token of padding is cheaper than a batch
        ([10, 9], 100, 0, [[0], [1]]),
        ([5] * 11, 50, 8, [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10]]),  # dealt evenly
        ([600, 3], 512, 8, [[0], [1]]),  # longer than the budget
        ([], 512, 8, []),
    ],
)
def test_batches_cost_least(lengths, budget, cost, expected):
    assert [batch.tolist() for batch in plan(lengths, budget, cost)] == expected


OVERLAPPING = Windows(
    starts=np.array([0, 2]),
    ends=np.array([3, 4]),
    owned_starts=np.array([0, 3]),
    owned_ends=np.array([3, 4]),
    row_splits=np.array([0, 2]),
)


def test_windows_are_laid_out_between_their_special_tokens():
    frame = Frame(prefix_ids=np.array([90]), suffix_ids=np.array([91, 92]), pad_token_id=7)
    batch = lay_out(
        np.array([10, 11, 12, 13], dtype=np.int32), OVERLAPPING, np.array([0, 1]), frame, width=6
    )
    assert batch.input_ids.tolist() == [[90, 10, 11, 12, 91, 92], [90, 12, 13, 91, 92, 7]]
    assert batch.attention_mask.tolist() == [[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0]]
    assert batch.places.tolist() == [1, 2, 3, 8]
    assert batch.tokens.tolist() == [0, 1, 2, 3]


def test_types_are_laid_out_beside_their_tokens():
    types = TokenTypes(prefix=np.array([5]), text=6, suffix=np.array([7, 8]), padding=9)
    frame = Frame(
        prefix_ids=np.array([90]), suffix_ids=np.array([91, 92]), pad_token_id=7, types=types
    )
    ids, rows = np.array([10, 11, 12, 13], dtype=np.int32), np.array([0, 1])
    batch = lay_out(ids, OVERLAPPING, rows, frame, width=7)
    assert batch.input_ids.tolist() == [[90, 10, 11, 12, 91, 92, 7], [90, 12, 13, 91, 92, 7, 7]]
    assert batch.token_type_ids.tolist() == [[5, 6, 6, 6, 7, 8, 9], [5, 6, 6, 7, 8, 9, 9]]


@given(LENGTHS, st.integers(1, 200))
def test_without_padding_windows_of_one_length_go_together(lengths, budget):
    batches = [*plan_batches(lengths, max_padded_tokens=budget, batch_cost_tokens=9, pads=False)]
    assert sorted(np.concatenate([*batches, []]).tolist()) == list(range(len(lengths)))
    assert all(len({*lengths[batch]}) == 1 for batch in batches)


def test_a_batch_without_padding_needs_no_mask():
    windows = Windows(
        starts=np.array([0, 2]),
        ends=np.array([2, 4]),
        owned_starts=np.array([0, 2]),
        owned_ends=np.array([2, 4]),
        row_splits=np.array([0, 2]),
    )
    frame = Frame(prefix_ids=np.array([90]), suffix_ids=np.array([91]), pad_token_id=7)
    batch = lay_out(
        np.array([10, 11, 12, 13], dtype=np.int32), windows, np.array([0, 1]), frame, width=4
    )
    assert batch.attention_mask is None
    assert batch.input_ids.tolist() == [[90, 10, 11, 91], [90, 12, 13, 91]]


@given(LENGTHS, st.integers(1, 200))
def test_packs_are_windows_in_their_order_as_many_as_fit(lengths, budget):
    packs = list(plan_packs(lengths, max_tokens=budget))
    assert np.concatenate([*packs, []]).tolist() == list(range(len(lengths)))
    for pack, following in itertools.zip_longest(packs, packs[1:]):
        assert len(pack) == 1 or lengths[pack].sum() <= budget
        assert following is None or lengths[pack].sum() + lengths[following[0]] > budget


def test_windows_are_laid_end_to_end_between_their_special_tokens():
    windows = Windows(
        starts=np.array([0, 2, 4]),
        ends=np.array([3, 4, 5]),
        owned_starts=np.array([0, 3, 4]),
        owned_ends=np.array([3, 4, 5]),
        row_splits=np.array([0, 2, 3]),
    )
    frame = Frame(prefix_ids=np.array([90]), suffix_ids=np.array([91, 92]), pad_token_id=7)
    token_ids = np.array([10, 11, 12, 13, 14], dtype=np.int32)
    pack = lay_end_to_end(token_ids, windows, np.array([0, 1, 2]), frame)
    assert pack.input_ids.tolist() == [
        [90, 10, 11, 12, 91, 92, 90, 12, 13, 91, 92, 90, 14, 91, 92]  # 12 is in both
    ]
    assert pack.position_ids.tolist() == [[0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 0, 1, 2, 3]]
    assert pack.row_splits.tolist() == [0, 6, 11, 15]
    assert pack.longest == 6
    assert pack.places.tolist() == [1, 2, 3, 8, 12]
    assert pack.tokens.tolist() == [0, 1, 2, 3, 4]
