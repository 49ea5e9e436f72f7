"""What is an entity, for every family of tokenizers: a table to learn from.

The labels are scripted: the first token that lies in a gold span says B, the others in it say I, as
a model trained on first pieces would. What comes out must be the gold spans, whatever the pieces.
"""

from functools import partial
from typing import get_args

import numpy as np
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_entities import ClassifyOptions, ModelOptions, TokenClassifier
from spark_entities.udfs.core.records import Encoding, Predictions
from spark_entities.udfs.options import AggregationStrategy as Strategy
from tests.support.families import FAMILIES, make_checkpoint

THAI = "อยู่ที่⟦กรุงเทพ⟧มาก"

# The text, with its gold entities between ⟦ and ⟧.
GOLD = [
    "Ik woon in ⟦Londen⟧.",
    "Zij (⟦Amsterdam⟧) belde.",
    'Bij "⟦Philips⟧", zei hij.',
    "Naar ⟦'s-Gravenhage⟧ toe.",
    "De ⟦N.V. Philips⟧ groeit.",
    "Van ⟦AT&T⟧ en ⟦Jean-Pierre⟧!",
    "⟦Jan⟧\n⟦Amsterdam⟧",
    "⟦Jan\u00a0Mol⟧, hier",
    "in ⟦Am\u00adster\u00addam⟧.",
    "⟦Zu\u0308rich⟧, ⟦Zürich⟧",
    "½ liter in ⟦Gent⟧;",
    "⟦東京⟧に住む⟦田中⟧さん",
    THAI,
    "في ⟦لندن⟧، مع ⟦محمد علي⟧.",
    "⟦דוד⟧ גר ⟦בתל אביב⟧.",  # a preposition that is written as part of the word
    "⟦दिल्ली⟧ में ⟦राम⟧।",
    "👩\u200d👧 ⟦Eva⟧👍🏽 en 🇳🇱",
    "⟦Jan⟧\r\nen ⟦Piet⟧",
    "⟦Jan⟧\x00⟦Piet⟧",
    "⟦Frans van Houten⟧/⟦Utrecht⟧",
    "Typ </s> of [SEP] bij ⟦Emma⟧",
]

# Where the pieces of a family do not see a border, what comes out instead.
INSTEAD = {
    ("WordPiece cased", THAI): ["อยู่ที่กรุงเทพมาก"],  # one unknown piece
    ("WordPiece uncased", THAI): [],  # all one word by its ## pieces, whose first is outside
}


def parse(marked: str) -> tuple[str, list[tuple[int, int]]]:
    text, spans = "", []
    for character in marked:
        if character == "⟦":
            spans.append((len(text), -1))
        elif character == "⟧":
            spans[-1] = (spans[-1][0], len(text))
        else:
            text += character
    return text, spans


def script(encoding: Encoding, spans: list[tuple[int, int]]) -> Predictions:
    labels = np.zeros(len(encoding.tokens.ids), dtype=np.int64)
    for start, end in spans:
        inside = (encoding.tokens.offsets[:, 1] > start) & (encoding.tokens.offsets[:, 0] < end)
        labels[inside] = 2
        labels[np.flatnonzero(inside)[:1]] = 1
    return Predictions(
        label_ids=labels,
        scores=np.ones(len(labels), dtype=np.float32),
        probabilities=None,
    )


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture(scope="module")
def classifier(family, tmp_path_factory):
    folder = make_checkpoint(family, tmp_path_factory.mktemp("model"))
    return TokenClassifier.load(ModelOptions(name=str(folder)), ClassifyOptions(), "cpu")


@pytest.mark.parametrize("marked", GOLD)
def test_entities_are_the_gold_spans(family, classifier, marked):
    text, spans = parse(marked)
    encoding = classifier.encode([text])
    entities = classifier.decode(encoding, script(encoding, spans))[0].as_py()["entities"]
    expected = INSTEAD.get((family, marked), [text[start:end] for start, end in spans])
    assert [entity["word"] for entity in entities] == expected
    assert [text[entity["start"] : entity["end"]] for entity in entities] == expected
    if (family, marked) not in INSTEAD:
        assert [(entity["start"], entity["end"]) for entity in entities] == spans


def test_typed_special_tokens_are_text(classifier):
    frame = classifier.model.frame
    special = {*frame.prefix_ids.tolist(), *frame.suffix_ids.tolist(), frame.pad_token_id}
    typed = classifier.encode(["</s> <s> [SEP] [CLS] <pad> [PAD]"])
    assert len(typed.tokens.ids) > 0
    assert not special & {*typed.tokens.ids.tolist()}


def test_offsets_have_no_outer_white_space(classifier):
    text = "  Jan \t woont\n in  Gent "
    for start, end in classifier.encode([text]).tokens.offsets:
        assert text[start:end] == text[start:end].strip()


def test_one_word_of_100_000_letters_is_one_word(classifier):
    tokens = classifier.encode(["de " + "a" * 100_000]).tokens
    assert tokens.word_offsets.tolist() == [[0, 2], [3, 100_003]]


SIGNS = ["Emma ", "in ", "ト\u3099", "ｶﾞ", "イント\u3099 ", "e\u0301", "각", "\u1112\u1161\u11ab"]
SIGNS += ["👩\u200d👧", "👍🏽", "🇳🇱", "क्ति", "น้ำ", "½", "ﬁ", ".", "'", "\u0301", "\u200d", "\r\n"]


@pytest.fixture(scope="module", params=FAMILIES)
def models(request, tmp_path_factory):
    """A classifier of a family by each strategy, whose labels vary."""
    model = ModelOptions(name=str(make_checkpoint(request.param, tmp_path_factory.mktemp("model"))))
    load = partial(TokenClassifier.load, model, device="cpu")
    return [load(ClassifyOptions(aggregation_strategy=each)) for each in get_args(Strategy)]


@settings(max_examples=60)
@given(pieces=st.lists(st.sampled_from(SIGNS), max_size=12))
def test_no_entity_ends_inside_a_character_whatever_the_normaliser_does(models, pieces):
    text = "".join(pieces)
    inside = {
        place
        for found in regex.finditer(r"\X", text)
        for place in range(found.start() + 1, found.end())
    }
    for classifier in models:
        [row] = classifier.classify([text]).to_pylist()
        for entity in row["entities"]:
            assert not {entity["start"], entity["end"]} & inside
            assert entity["word"] == text[entity["start"] : entity["end"]]
