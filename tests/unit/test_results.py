import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from udfs.records import Text
from udfs.results import make_error_rows, result_type, slice_text


def text_of(documents: list[str]) -> Text:
    joined = "".join(documents)
    return Text(
        utf8=np.frombuffer(joined.encode(), dtype=np.uint8),
        codepoints=np.frombuffer(joined.encode("utf-32-le"), dtype=np.uint32),
        row_splits=np.cumsum([0, *map(len, documents)]),
        is_null=np.zeros(len(documents), dtype=bool),
    )


@given(st.text(max_size=30), st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30))))
def test_slices_are_those_of_python(text, ranges):
    ranges = [(min(a, b, len(text)), min(max(a, b), len(text))) for a, b in ranges]
    offsets = np.array(ranges, dtype=np.int64).reshape(-1, 2)
    assert slice_text(text_of([text]), offsets).to_pylist() == [text[a:b] for a, b in ranges]


def test_slices_are_right_where_utf8_takes_another_byte():
    text = "\x7f\x80\u07ff\u0800\uffff\U00010000a"
    offsets = np.stack([np.arange(7), np.arange(1, 8)], axis=1)
    assert slice_text(text_of([text]), offsets).to_pylist() == list(text)


def test_an_error_row_has_its_reason_and_no_entities():
    rows = make_error_rows(["it broke"], "none")
    assert rows.type == result_type("none")
    assert rows.to_pylist() == [
        {"entities": None, "error": "it broke", "num_tokens": 0, "num_windows": 0}
    ]
