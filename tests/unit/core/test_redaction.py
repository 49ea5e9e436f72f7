import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_entities.udfs.core.labels import LabelScheme
from spark_entities.udfs.core.records import Entities
from spark_entities.udfs.core.redaction import redact
from spark_entities.udfs.core.text import Text
from spark_entities.udfs.errors import ConfigError
from spark_entities.udfs.options import RedactOptions
from tests.support.scripted import LABELS, make_classifier

SCHEME = LabelScheme.from_id2label(LABELS)
SCRIPT = {"j": "B-PER", "m": "I-PER", "l": "B-LOC"}
KEY = b"of sixteen bytes"

Spans = list[tuple[int, int, str]]


def redact_spans(documents: list[str | None], spans: list[Spans], **options):
    """Redact spans of documents, as if a model had found them with a score of 0.5."""
    text = Text.join(documents)
    flat = [
        (
            start + text.row_splits[row],
            end + text.row_splits[row],
            SCHEME.labels.index(f"B-{group}"),
        )
        for row, found in enumerate(spans)
        for start, end, group in found
    ]
    starts, ends, labels = np.array(flat, dtype=np.int64).reshape(-1, 3).T
    entities = Entities(
        label_ids=labels,
        scores=np.full(len(labels), 0.5, dtype=np.float32),
        offsets=np.stack([starts, ends], axis=1),
        index=np.ones(len(labels), dtype=np.int64),
        row_splits=np.cumsum([0, *map(len, spans)]),
    )
    given = {"groups": ("PER", "LOC"), **options}
    return redact(text, entities, SCHEME, RedactOptions(**given))


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("label", "é [PER] x [LOC]."),
        ("mask", "é █ █ x █."),
        ("pseudonym", "é PER_11bf6b4aae51 x LOC_c0c444c3d7cb."),
    ],
)
def test_a_style_says_what_stands_in_the_place_of_a_mention(style, expected):
    options = RedactOptions(
        groups=("PER", "LOC"), style=style, key=KEY if style == "pseudonym" else None
    )
    row = make_classifier(SCRIPT, redact=options).classify(["é j m x l."])[0].as_py()
    assert row["redacted"] == expected


@given(st.data())
def test_texts_are_those_that_a_plain_loop_makes(data):
    documents = data.draw(st.lists(st.text("aé😀 ", max_size=9) | st.none(), max_size=5))
    spans, expected = [], []
    for document in documents:
        found: Spans = []
        reach, made = 0, ""
        size = len(document or "")
        places = st.tuples(st.integers(0, size), st.integers(0, size))
        for start, end in sorted(data.draw(st.lists(places, max_size=4))):
            if start < end:
                found.append((start, end, data.draw(st.sampled_from(["PER", "LOC"]))))
        for start, end, group in found:
            if group == "PER" and end > reach:
                made += (document or "")[reach : max(start, reach)] + f"[{group}]"
                reach = end
        spans.append(found)
        expected.append(None if document is None else made + document[reach:])
    redaction = redact_spans(documents, spans, groups=("PER",))
    assert redaction.texts.to_pylist() == expected
    for text, marks in zip(expected, redaction.spans.to_pylist(), strict=True):
        assert (text is None) == (marks is None)
        for mark in marks or []:
            assert text[mark["start"] : mark["end"]] == f"[{mark['entity_group']}]"


def test_mentions_side_by_side_each_have_their_own():
    redaction = redact_spans(["JanAmsterdam"], [[(0, 3, "PER"), (3, 12, "LOC")]])
    assert redaction.texts.to_pylist() == ["[PER][LOC]"]


def test_of_mentions_that_overlap_nothing_remains():
    redaction = redact_spans(["Jan van Loon"], [[(0, 7, "PER"), (4, 12, "LOC"), (5, 6, "LOC")]])
    assert redaction.texts.to_pylist() == ["[PER][LOC]"]
    assert redaction.words.to_pylist() == ["[PER]", "[LOC]", "[LOC]"]


def test_a_mask_is_as_long_as_what_it_hides_but_for_spaces():
    text = "Zoë\u00a0\u200bvan\u3000D\x1ce"
    redaction = redact_spans([text], [[(0, len(text), "PER")]], style="mask")
    assert redaction.texts.to_pylist() == ["███\u00a0████\u3000█\x1c█"]


def test_one_name_has_one_pseudonym_however_it_is_written():
    names = ["Frans van Houten", "FRANS  VAN\nHOUTEN", "Ｆrans van Houten", "Frans Houten"]
    spans = [[(0, len(name), "PER")] for name in names]
    made = redact_spans(names, spans, style="pseudonym", key=KEY).texts.to_pylist()
    assert len(set(made[:3])) == 1
    assert made[3] != made[0]


def test_another_key_gives_other_pseudonyms():
    made = [
        redact_spans(["Jan"], [[(0, 3, "PER")]], style="pseudonym", key=key).texts[0].as_py()
        for key in (KEY, KEY[::-1])
    ]
    assert made[0] != made[1]


def test_what_is_sure_enough_to_be_redacted_need_not_be_kept_as_an_entity():
    options = RedactOptions(groups=("PER",), min_score=0.5)
    row = make_classifier(SCRIPT, redact=options, min_score=0.99).classify(["j x"])[0].as_py()
    assert (row["entities"], row["num_left_out"], row["redacted"]) == ([], 1, "[PER] x")


def test_what_is_not_sure_enough_stays():
    options = RedactOptions(groups=("PER",), min_score=0.99)
    row = make_classifier(SCRIPT, redact=options).classify(["j x"])[0].as_py()
    assert (row["redacted"], row["redactions"]) == ("j x", [])


def test_words_of_entities_are_hidden_with_the_text():
    options = RedactOptions(groups=("PER",), hides_words=True)
    row = make_classifier(SCRIPT, redact=options).classify(["j m in l"])[0].as_py()
    assert [entity["word"] for entity in row["entities"]] == ["[PER]", "l"]


def test_a_document_that_fails_has_no_redacted_text():
    options = RedactOptions(groups=("PER",))
    classifier = make_classifier(SCRIPT, redact=options, poison="x")
    rows = classifier.classify(["j", "j x", None]).to_pylist()
    assert [row["redacted"] for row in rows] == ["[PER]", None, None]
    assert rows[1]["error"]


def test_a_key_is_not_shown():
    assert "sixteen" not in repr(RedactOptions(groups=("PER",), style="pseudonym", key=KEY))


@pytest.mark.parametrize(
    ("options", "strategy", "words"),
    [
        ({"groups": ()}, "first", "redact.groups is empty"),
        ({"groups": ("PERS",)}, "first", "redact.groups names 'PERS'.*groups: PER, LOC"),
        ({"groups": ("PER",)}, "none", "gives tokens"),
        ({"groups": ("PER",), "style": "hash"}, "first", "redact.style='hash'"),
        ({"groups": ("PER",), "style": "pseudonym"}, "first", "'pseudonym' without redact.key"),
        ({"groups": ("PER",), "key": KEY}, "first", "'label' with redact.key"),
        ({"groups": ("PER",), "style": "pseudonym", "key": b"1234"}, "first", "of 4 bytes"),
        ({"groups": ("PER",), "min_score": 1.5}, "first", "redact.min_score=1.5"),
    ],
)
def test_what_cannot_be_redacted_is_refused(options, strategy, words):
    with pytest.raises(ConfigError, match=words):
        make_classifier(SCRIPT, redact=RedactOptions(**options), aggregation_strategy=strategy)
