import numpy as np
import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from spark_entities.udfs.core.graphemes import whole_characters
from spark_entities.udfs.core.text import Text

# Of each class that clusters are made of, some; and what joins them.
SIGNS = "ab \r\n\u0301\u3099\uff9e\u0e33\u200d\u200c\u0600\u1100\u1161\u11a8\uac00\uac01"
SIGNS += (
    "\U0001f1f3\U0001f1f1\U0001f469\U0001f44d\U0001f3fd\u2764\ufe0f\u0915\u094d\u0924\u093f\u00ad"
)
texts = st.text(SIGNS, max_size=12)


def clusters(document: str) -> list[tuple[int, int]]:
    """What `regex` takes for characters, another implementation of the annex."""
    return [found.span() for found in regex.finditer(r"\X", document)]


@given(st.lists(texts, min_size=1, max_size=3), st.data())
def test_no_end_lies_inside_a_cluster_and_nothing_is_lost(documents, data):
    text = Text.join(documents)
    first = data.draw(st.sampled_from(range(len(documents))))
    opens, closes = text.row_splits[first], text.row_splits[first + 1]
    start, end = sorted(data.draw(st.tuples(*[st.integers(opens, closes)] * 2)))
    [[new_start, new_end]] = whole_characters(text, np.array([[start, end]]))
    assert opens <= new_start <= start <= end <= new_end <= closes
    for left, right in clusters(documents[first]):
        for place in (new_start - opens, new_end - opens):
            assert not left < place < right


@pytest.mark.parametrize(
    "cluster",
    [
        "e\u0301",
        "ト\u3099",
        "ｶﾞ",
        "\u1112\u1161\u11ab",
        "각",
        "👩\u200d👧",
        "👍🏽",
        "❤\ufe0f",
        "🇳🇱",
        "क्ति",
        "น้ำ",
        "\r\n",
    ],
)
def test_a_range_of_a_part_becomes_the_whole_and_no_more(cluster):
    text = Text.join(["x" + cluster + cluster + "y"])
    size = len(cluster)
    for part in range(1, 1 + size):
        [[start, end]] = whole_characters(text, np.array([[1, 1 + part]]))
        assert (start, end) == (1, 1 + size)
        [[start, end]] = whole_characters(text, np.array([[size + part, 1 + 2 * size]]))
        assert (start, end) == (1 + size, 1 + 2 * size)


def test_a_document_is_never_joined_to_the_one_before_it():
    text = Text.join(["a", "\u0301b"])
    assert whole_characters(text, np.array([[0, 1], [1, 2]])).tolist() == [[0, 1], [1, 2]]
