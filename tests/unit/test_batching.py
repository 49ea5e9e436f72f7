import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from udfs.batching import Frame, lay_out, plan_batches
from udfs.records import Windows

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


def test_windows_are_laid_out_between_their_special_tokens():
    windows = Windows(
        starts=np.array([0, 2]),
        ends=np.array([3, 4]),
        owned_starts=np.array([0, 3]),
        owned_ends=np.array([3, 4]),
        row_splits=np.array([0, 2]),
    )
    frame = Frame(prefix_ids=np.array([90]), suffix_ids=np.array([91, 92]), pad_token_id=7)
    batch = lay_out(np.array([10, 11, 12, 13], dtype=np.int32), windows, np.array([0, 1]), frame)
    assert batch.input_ids.tolist() == [[90, 10, 11, 12, 91, 92], [90, 12, 13, 91, 92, 7]]
    assert batch.attention_mask.tolist() == [[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0]]
    assert batch.token_index[batch.owned].tolist() == [0, 1, 2, 3]
