"""The bundled model does what its recipe says."""

import json

import pytest

from spark_entities import ModelOptions, TokenClassifier
from spark_entities.jobs.training.recipe import load_recipe
from tests.support.processes import ROOT

RECIPE = load_recipe(ROOT / "conf" / "bundled-model.yaml")


@pytest.fixture(scope="module")
def classifier():
    return TokenClassifier.load(ModelOptions(precision="float32"), device="cpu")


def test_it_has_the_labels_of_the_recipe(classifier):
    assert list(classifier.model.scheme.labels) == RECIPE.labels


def test_no_day_no_month_and_no_title_of_the_demo_is_a_name(classifier):
    lines = (ROOT / "conf" / "demo-documents.jsonl").read_text("utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    rows = classifier.classify(texts).to_pylist()
    words = [entity["word"] for row in rows for entity in row["entities"] or []]
    assert len(words) > 500
    assert not {*words} & {*RECIPE.outside}
    assert any(word in text.split() for text in texts if text for word in RECIPE.outside)
