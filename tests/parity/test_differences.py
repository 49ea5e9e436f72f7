"""Where the engine differs from transformers' pipeline on purpose: both outputs, side by side.

ARCHITECTURE.md lists these with their reasons.
"""

import pytest
import torch
from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    BertConfig,
    BertForTokenClassification,
    pipeline,
)

from spark_entities import ClassifyOptions, ModelOptions, TokenClassifier
from spark_entities.udfs.checkpoint import BUNDLED_FOLDER
from tests.support.families import make_checkpoint

pytestmark = pytest.mark.filterwarnings("ignore:Tokenizer does not support real words")


def both(text, folder=BUNDLED_FOLDER, strategy="first"):
    """Return what the pipeline and what the engine say: lists of (word, start, end)."""
    theirs = pipeline(
        "token-classification",
        model=AutoModelForTokenClassification.from_pretrained(folder, dtype="float32"),
        tokenizer=AutoTokenizer.from_pretrained(folder),
        aggregation_strategy=strategy,
    )(text)
    options = ClassifyOptions(aggregation_strategy=strategy)
    model = ModelOptions(name=str(folder), precision="float32")
    ours = TokenClassifier.load(model, options, "cpu").classify([text])[0].as_py()["entities"]
    return tuple([(e["word"], e["start"], e["end"]) for e in found] for found in (theirs, ours))


def test_punctuation_at_a_word_is_not_part_of_the_entity():
    theirs, ours = both("Mijn naam is Emma en ik woon in Londen.")
    assert theirs == [("Emma", 13, 17), ("Londen.", 32, 39)]
    assert ours == [("Emma", 13, 17), ("Londen", 32, 38)]


def test_text_past_the_window_is_read():
    theirs, ours = both("Dit is een zin zonder naam. " * 120 + "Emma woont in Londen .")
    assert theirs == []
    assert ours[-1] == ("Londen", 3374, 3380)


def test_words_of_an_entity_stay_apart_as_in_the_text():
    text = "Gisteren sprak Frans van  Houten"
    theirs, ours = both(text)
    assert theirs[-1][0] == "FransvanHouten"
    assert ours[-1] == ("Frans van  Houten", 15, 32)


def test_offsets_have_no_outer_white_space(tmp_path):
    folder = make_checkpoint("byte BPE", tmp_path)
    text = "Zij woont in Londen en in Utrecht"
    theirs, ours = both(text, folder, "none")
    assert any(text[start:end].startswith(" ") for _, start, end in theirs)
    assert all(text[start:end] == text[start:end].strip() for _, start, end in ours)
    assert len(ours) == len(theirs)


def test_parts_of_speech_are_one_element_a_word(tmp_path):
    folder = make_checkpoint("WordPiece cased", tmp_path)
    torch.manual_seed(0)
    config = BertConfig.from_pretrained(folder)
    config.id2label, config.label2id = {0: "NOUN", 1: "VERB"}, {"NOUN": 0, "VERB": 1}
    network = BertForTokenClassification(config)
    torch.nn.init.zeros_(network.classifier.weight)
    network.classifier.bias.data = torch.tensor([1.0, 0.0])
    network.save_pretrained(folder)
    theirs, ours = both("de trein naar Gent", folder)
    assert [(start, end) for _, start, end in theirs] == [(0, 18)]
    assert [word for word, _, _ in ours] == ["de", "trein", "naar", "Gent"]
