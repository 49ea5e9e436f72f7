import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spark_entities.udfs.core.text import Text


def slices(text: str, ranges: list[tuple[int, int]]) -> list[str]:
    offsets = np.array(ranges, dtype=np.int64).reshape(-1, 2)
    return Text.join([text]).slices(offsets[:, 0], offsets[:, 1]).to_pylist()


@given(st.text(max_size=30), st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30))))
def test_slices_are_those_of_python(text, ranges):
    ranges = [(min(a, b, len(text)), min(max(a, b), len(text))) for a, b in ranges]
    assert slices(text, ranges) == [text[a:b] for a, b in ranges]


@given(st.text(max_size=30), st.sets(st.integers(1, 29)))
def test_a_text_is_cut_as_python_cuts_it(text, cuts):
    borders = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    parts = Text.join([text]).cut(np.array(borders)).to_pylist()
    assert parts == [text[a:b] for a, b in itertools.pairwise(borders)]


def test_slices_are_right_where_utf8_takes_another_byte():
    text = "\x7f\x80\u07ff\u0800\uffff\U00010000a"
    assert slices(text, [(place, place + 1) for place in range(7)][::-1]) == [*text][::-1]


def test_documents_lie_end_to_end_and_nulls_are_known():
    text = Text.join(["ab", None, "", "é"])
    assert text.utf8.decode() == "abé"
    assert text.row_splits.tolist() == [0, 2, 2, 2, 3]
    assert text.is_null.tolist() == [False, True, False, False]


def test_a_lone_surrogate_becomes_a_replacement_character():
    assert Text.join(["a\ud800b", "\udc00"]).utf8.decode() == "a\ufffdb\ufffd"


def test_no_slices_are_an_array_that_java_reads_too():
    none = np.zeros(0, dtype=np.int64)
    slices = Text.join(["ab"]).slices(none, none)
    assert slices.to_pylist() == []
    assert slices.buffers()[1].size == 4  # Arrow for Java wants the first offset


def test_slices_keep_nothing_of_the_rest_of_the_text():
    slices = Text.join(["Emma woont in Londen."]).slices(np.array([0]), np.array([4]))
    assert slices.buffers()[2].to_pybytes() == b"Emma"
