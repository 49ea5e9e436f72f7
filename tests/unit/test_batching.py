import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from udfs.batching import plan_batches

LENGTHS = st.lists(st.integers(1, 50), max_size=40).map(lambda sizes: np.array(sizes, dtype=int))


@given(LENGTHS, st.integers(1, 200))
def test_every_window_is_in_one_batch(lengths, budget):
    batches = list(plan_batches(lengths, budget))
    assert sorted(np.concatenate([*batches, []])) == list(range(len(lengths)))


@given(LENGTHS, st.integers(1, 200))
def test_a_batch_stays_within_the_budget_unless_it_is_one_window(lengths, budget):
    for batch in plan_batches(lengths, budget):
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= budget


def test_windows_of_similar_length_share_a_batch():
    batches = list(plan_batches(np.array([1, 9, 1, 9, 1, 1]), 18))
    assert [batch.tolist() for batch in batches] == [[1, 3], [0, 2, 4, 5]]
