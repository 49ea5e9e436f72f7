import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_entities.udfs.core.windows import cut_windows


@st.composite
def layouts(draw):
    sizes = draw(st.lists(st.integers(0, 40), min_size=1, max_size=6))
    window_tokens = draw(st.integers(1, 20))
    stride = draw(st.integers(0, window_tokens - 1))
    starts_word = draw(st.lists(st.booleans(), min_size=sum(sizes), max_size=sum(sizes)))
    return np.cumsum([0, *sizes]), np.array(starts_word, dtype=bool), window_tokens, stride


@given(layouts())
def test_every_token_is_owned_exactly_once_and_by_a_window_that_holds_it(layout):
    splits, starts_word, window_tokens, stride = layout
    windows = cut_windows(splits, starts_word, window_tokens=window_tokens, stride=stride)
    owners = np.zeros(splits[-1], dtype=int)
    for start, end in zip(windows.owned_starts, windows.owned_ends, strict=True):
        owners[start:end] += 1
    assert (owners == 1).all()
    assert (windows.owned_starts >= windows.starts).all()
    assert (windows.owned_ends <= windows.ends).all()


@given(layouts())
def test_windows_fit_and_stay_within_their_document(layout):
    splits, starts_word, window_tokens, stride = layout
    windows = cut_windows(splits, starts_word, window_tokens=window_tokens, stride=stride)
    document = np.repeat(np.arange(len(splits) - 1), np.diff(windows.row_splits))
    assert (windows.ends - windows.starts <= window_tokens).all()
    assert (windows.starts >= splits[document]).all()
    assert (windows.ends <= splits[document + 1]).all()


@pytest.mark.parametrize(
    ("size", "window_tokens", "stride", "starts", "ends"),
    [
        (0, 4, 1, [], []),
        (4, 4, 1, [0], [4]),
        (5, 4, 1, [0, 3], [4, 5]),
        (7, 4, 1, [0, 3], [4, 7]),
        (8, 4, 0, [0, 4], [4, 8]),
        (6, 4, 3, [0, 1, 2], [4, 5, 6]),
    ],
)
def test_neighbours_overlap_by_the_stride(size, window_tokens, stride, starts, ends):
    windows = cut_windows(
        np.array([0, size]), np.ones(size, dtype=bool), window_tokens=window_tokens, stride=stride
    )
    assert windows.starts.tolist() == starts
    assert windows.ends.tolist() == ends


@pytest.mark.parametrize(
    ("word_starts", "hand_over"),
    [
        ([0, 5], 5),  # the middle of the overlap [3, 8) is 5
        ([0, 4], 4),
        ([0, 7], 7),
        ([0, 3, 6], 6),
        ([0], 5),  # one long word: the middle itself
        ([0, 9], 5),  # word starts outside the overlap do not serve
    ],
)
def test_windows_hand_over_at_the_word_start_nearest_to_the_middle(word_starts, hand_over):
    starts_word = np.zeros(11, dtype=bool)
    starts_word[word_starts] = True
    windows = cut_windows(np.array([0, 11]), starts_word, window_tokens=8, stride=5)
    assert windows.owned_starts[1] == hand_over
    assert windows.owned_ends[0] == hand_over
