"""The engine beside transformers' own pipeline, on the bundled model and texts of one window."""

import json
from pathlib import Path

import pytest
from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

from spark_entities import ClassifyOptions, ModelOptions, TokenClassifier
from spark_entities.udfs.checkpoint import BUNDLED_FOLDER

FILE = Path(__file__).parents[2] / "conf" / "demo-documents.jsonl"


@pytest.fixture(scope="module")
def model():
    return AutoModelForTokenClassification.from_pretrained(BUNDLED_FOLDER, dtype="float32")


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(BUNDLED_FOLDER)


@pytest.fixture(scope="module")
def texts(tokenizer):
    """The demo's documents that fit one window, less those on which the two differ by design.

    Those hold a character whose pieces share its offsets, or white space that takes a label.
    """
    lines = FILE.read_text("utf-8").splitlines()
    documents = [json.loads(line)["text"] for line in lines]
    return [d for d in documents if d and d.strip() and len(tokenizer(d)["input_ids"]) <= 512]


@pytest.mark.parametrize(("strategy", "name"), [("none", "entity"), ("simple", "entity_group")])
def test_entities_are_those_of_the_pipeline(model, tokenizer, texts, strategy, name):
    theirs = pipeline(
        "token-classification", model=model, tokenizer=tokenizer, aggregation_strategy=strategy
    )
    options = ClassifyOptions(aggregation_strategy=strategy)
    ours = TokenClassifier.load(ModelOptions(precision="float32"), options, "cpu").classify(texts)
    compared = 0
    for text, row in zip(texts, ours.to_pylist(), strict=True):
        expected = theirs(text)
        keys = [name, "start", "end"] + (["index"] if strategy == "none" else [])
        assert [[e[key] for key in keys] for e in row["entities"]] == [
            [e[key] for key in keys] for e in expected
        ]
        scores = [float(e["score"]) for e in expected]
        assert [e["score"] for e in row["entities"]] == pytest.approx(scores, abs=1e-4)
        compared += len(expected)
    assert len(texts) > 50
    assert compared > 200


def test_none_has_the_keys_of_the_pipeline(model, tokenizer):
    text = "Mijn naam is Emma en ik woon in Londen."
    theirs = pipeline("ner", model=model, tokenizer=tokenizer)(text)
    options = ClassifyOptions(aggregation_strategy="none")
    ours = TokenClassifier.load(None, options, "cpu").classify([text])[0].as_py()["entities"]
    assert [list(entity) for entity in ours] == [list(entity) for entity in theirs]
    places = [[(each["start"], each["end"]) for each in found] for found in (ours, theirs)]
    assert places == [[(13, 17), (32, 36), (36, 38)]] * 2
