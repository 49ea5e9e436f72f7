import hashlib

import pytest

from spark_entities.jobs.config import GoldSection
from spark_entities.jobs.scoring.gold import load_gold
from spark_entities.udfs.errors import ConfigError

ARTICLES = """-DOCSTART- O

Jan B-PER
lacht O
. O

Mol I-PER
ook O

-DOCSTART- O

Gent B-LOC
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "gold.tsv"
    path.write_text(ARTICLES)
    return path


@pytest.mark.parametrize(
    ("options", "texts"),
    [
        ({}, ["Jan lacht.", "Mol ook", "Gent"]),
        ({"join": "spaces"}, ["Jan lacht .", "Mol ook", "Gent"]),
        ({"context": "document"}, ["Jan lacht. Mol ook", "Gent"]),
    ],
)
def test_texts_are_sentences_or_articles_and_the_gold_is_the_same(path, options, texts):
    gold = load_gold(GoldSection(path=path, **options))
    assert [text.text for text in gold.texts] == texts
    words = [text.text[start:end] for text in gold.texts for start, end in text.offsets]
    assert words == ["Jan", "lacht", ".", "Mol", "ook", "Gent"]
    assert gold.tags == [["B-PER", "O", "O"], ["B-PER", "O"], ["B-LOC"]]
    assert (gold.types, gold.plain, gold.num_rewritten) == (["LOC", "PER"], False, 1)
    assert gold.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_prediction_is_cut_at_the_end_of_its_sentence(path):
    gold = load_gold(GoldSection(path=path, context="document"))
    predicted = [["O", "B-PER", "I-PER", "I-PER", "B-LOC"], ["B-PER"]]
    assert gold.cut(predicted) == [["O", "B-PER", "I-PER"], ["B-PER", "B-LOC"], ["B-PER"]]


def test_predictions_of_types_that_the_gold_does_not_have_count_as_outside(path):
    gold = load_gold(GoldSection(path=path))
    predicted = [["B-PER", "B-MISC", "I-MISC"], ["B-LOC", "O"], ["B-ORG"]]
    assert gold.cut(predicted) == [["B-PER", "O", "O"], ["B-LOC", "O"], ["O"]]


def test_a_type_that_is_taken_out_is_taken_out_of_the_predictions_too(path):
    gold = load_gold(GoldSection(path=path, rename={"LOC": "O"}))
    assert gold.tags == [["B-PER", "O", "O"], ["B-PER", "O"], ["O"]]
    assert gold.cut([["B-PER", "O", "O"], ["O", "O"], ["B-LOC"]])[2] == ["O"]


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("", {}, r"gold\.tsv has no sentences"),
        ("\n-DOCSTART- O\n\n", {}, r"gold\.tsv has no sentences"),
        ("a O\n", {}, r"gold\.tsv has no tag but O"),
        ("a B-PER\n", {"context": "document"}, r"no -DOCSTART- lines.* Set gold\.context to 'sent"),
    ],
)
def test_a_gold_that_cannot_be_scored_against_is_refused(tmp_path, content, options, message):
    path = tmp_path / "gold.tsv"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message):
        load_gold(GoldSection(path=path, **options))
