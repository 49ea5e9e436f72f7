import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from seqeval.metrics import accuracy_score, classification_report
from seqeval.scheme import IOB2

from spark_entities.jobs.scoring.scores import KINDS, LENGTHS, Entity, Pair, pair_entities, score

# Any sequence of tags, also such as no scheme allows.
TAGS = st.sampled_from(
    ["O", "O", *(f"{role}-{kind}" for role in "BI" for kind in ("A", "B_C", "D"))]
)
SENTENCES = st.lists(
    st.lists(st.tuples(TAGS, TAGS), min_size=1, max_size=12), min_size=1, max_size=5
)


def split(sentences):
    return tuple([[pair[side] for pair in sentence] for sentence in sentences] for side in (0, 1))


def reported(gold, predicted, **mode):
    return classification_report(gold, predicted, output_dict=True, zero_division=0, **mode)


def figures(each):
    return {
        "precision": each.precision, "recall": each.recall, "f1-score": each.f1,
        "support": each.gold,
    }  # fmt: skip


@pytest.mark.parametrize("mode", [{}, {"mode": "strict", "scheme": IOB2}])
@given(SENTENCES)
def test_scores_are_those_of_seqeval_to_the_last_digit(mode, sentences):
    gold, predicted = split(sentences)
    scores = score(gold, predicted)
    types, micro = scores.types, scores.micro
    if mode:
        types, micro = scores.strict, scores.strict_micro
    assume(micro.gold)
    expected = reported(gold, predicted, **mode)
    assert {name: figures(each) for name, each in types.items()} == {
        name: each for name, each in expected.items() if not name.endswith(" avg")
    }
    assert figures(micro) == expected["micro avg"]
    assert scores.accuracy == accuracy_score(gold, predicted)


@given(SENTENCES)
def test_the_rest_is_what_seqeval_finds_without_the_type(sentences):
    gold, predicted = split(sentences)
    without = score(gold, predicted).without("A")
    assume(without.gold)
    kept = [
        [["O" if tag[2:] == "A" else tag for tag in s] for s in side] for side in (gold, predicted)
    ]
    assert figures(without) == reported(*kept)["micro avg"]


@given(SENTENCES)
def test_every_entity_and_every_prediction_is_counted_once(sentences):
    scores = score(*split(sentences))
    kinds, micro = dict(scores.kinds), scores.micro
    assert kinds["right"] == micro.right
    assert sum(kinds.values()) - kinds["spurious"] == micro.gold
    assert sum(kinds.values()) - kinds["missed"] == micro.predicted
    assert kinds.keys() == KINDS.keys()
    for name, each in scores.types.items():
        rows = [count for (gold, _), count in scores.confusions.items() if gold == name]
        columns = [
            count for (_, predicted), count in scores.confusions.items() if predicted == name
        ]
        assert (sum(rows), sum(columns)) == (each.gold, each.predicted)
    assert sum(each.gold for each in scores.lengths.values()) == micro.gold
    assert sum(each.right for each in scores.lengths.values()) == micro.right


def entities(spans):
    """Write `A0-2` as the entity of words [0, 2) and type A."""
    found = []
    for span in spans.split():
        start, _, end = span[1:].partition("-")
        found.append(Entity(int(start), int(end), span[0]))
    return found


@pytest.mark.parametrize(
    ("gold", "predicted", "pairs"),
    [
        ("A0-2", "A0-2", "A0-2 A0-2 right"),
        ("A0-2", "A0-1", "A0-2 A0-1 border"),
        ("A0-2", "A1-4", "A0-2 A1-4 border"),
        ("A0-2", "B0-2", "A0-2 B0-2 type"),
        ("A0-2", "B1-2", "A0-2 B1-2 both"),
        ("A0-2", "A2-4", "A0-2 - missed, - A2-4 spurious"),
        ("A0-2", "", "A0-2 - missed"),
        ("", "A0-2", "- A0-2 spurious"),
        ("A0-3", "B0-1 A1-2", "A0-3 A1-2 border, - B0-1 spurious"),  # the same type comes first
        ("A0-4", "A0-1 A1-4", "A0-4 A1-4 border, - A0-1 spurious"),  # then most words
        ("A0-2", "A0-1 A1-2", "A0-2 A0-1 border, - A1-2 spurious"),  # then the beginning
        ("A0-2 A2-4", "A0-4", "A0-2 A0-4 border, A2-4 - missed"),
        ("A0-1 B1-3", "B0-3", "B1-3 B0-3 border, A0-1 - missed"),
        ("A0-1 A1-3", "A0-1 A1-2", "A0-1 A0-1 right, A1-3 A1-2 border"),
    ],
)
def test_entities_are_paired(gold, predicted, pairs):
    expected = []
    for pair in pairs.split(", "):
        this, that, kind = pair.split()
        found = Pair(*(entities(each)[0] if each != "-" else None for each in (this, that)))
        assert found.kind == kind
        expected.append(found)
    assert pair_entities(entities(gold), entities(predicted)) == expected


def test_lengths_count_the_words_of_entities():
    gold = [["B-A", "O", "B-A", "I-A", "O", "B-A", "I-A", "I-A", "O", *["B-A", *["I-A"] * 5]]]
    predicted = [
        ["B-A", "O", "B-A", "O", "O", "B-A", "I-A", "I-A", "O", *["B-A", *["I-A"] * 3], "O", "O"]
    ]
    counted = score(gold, predicted).lengths
    assert tuple(counted) == LENGTHS
    found = {name: (each.gold, each.predicted, each.right) for name, each in counted.items()}
    assert found == {"1": (1, 2, 1), "2": (1, 0, 0), "3": (1, 1, 1), "4+": (1, 1, 0)}


def test_plain_tags_are_scored_word_by_word():
    scores = score(
        [["DET", "NOUN", "NOUN"], ["VERB"]], [["DET", "VERB", "O"], ["VERB"]], plain=True
    )
    assert scores.accuracy == 0.5
    assert scores.confusions == {
        ("DET", "DET"): 1, ("NOUN", "VERB"): 1, ("NOUN", None): 1, ("VERB", "VERB"): 1
    }  # fmt: skip
    assert (scores.types["NOUN"].recall, scores.types["VERB"].precision) == (0.0, 0.5)
    assert scores.strict == {}


def test_what_is_tagged_as_whatever_does_not_remain_where_all_is_redacted():
    gold = [["B-PER", "I-PER", "O", "B-LOC"], ["B-PER", "O"], ["B-LOC", "I-LOC"]]
    predicted = [["B-ORG", "O", "O", "B-PER"], ["O", "B-PER"], ["B-LOC", "B-LOC"]]
    assert score(gold, predicted).remaining == {"PER": (2, 2), "LOC": (0, 1)}
