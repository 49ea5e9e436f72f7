"""No code of a checkpoint is run, whichever way transformers is led to it."""

import ast
import json
from pathlib import Path

import pytest

from spark_entities.jobs.training.network import load_trainee, save_half
from spark_entities.jobs.training.recipe import Corpus, Recipe
from spark_entities.udfs.errors import ModelLoadError
from spark_entities.udfs.model import load_model, read_network, read_tokenizer
from spark_entities.udfs.options import ModelOptions

ROOT = Path(__file__).parents[3]
RECIPE = Recipe(types=("PER", "LOC"), corpora=(Corpus(file="none.tsv"),))
CODE = """
from pathlib import Path
from transformers import BertConfig, BertForTokenClassification, PreTrainedTokenizerFast
Path({sentinel!r}).touch()
class Config(BertConfig):
    model_type = {model_type!r}
class Network(BertForTokenClassification):
    config_class = Config
class Tokenizer(PreTrainedTokenizerFast):
    pass
"""


def change(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | values), "utf-8")


def bring_code(folder: Path, model_type: str) -> Path:
    """Let a checkpoint ask for code of its own; return the file that tells whether it ran."""
    sentinel = folder / "ran"
    code = CODE.format(sentinel=str(sentinel), model_type=model_type)
    (folder / "own_code.py").write_text(code, "utf-8")
    network = {"AutoConfig": "Config", "AutoModelForTokenClassification": "Network"}
    change(
        folder / "config.json",
        model_type=model_type,
        auto_map={name: f"own_code.{own}" for name, own in network.items()},
    )
    change(
        folder / "tokenizer_config.json",
        tokenizer_class="Tokenizer",
        auto_map={"AutoTokenizer": [None, "own_code.Tokenizer"]},
    )
    return sentinel


WAYS = {
    "the engine": lambda folder: load_model(ModelOptions(name=str(folder)), "cpu"),
    "training": lambda folder: load_trainee(ModelOptions(name=str(folder)), RECIPE, "cpu"),
    "the network": read_network,
    "the tokenizer": read_tokenizer,
}


@pytest.fixture(autouse=True)
def careless_person(monkeypatch):
    """Says yes when transformers asks whether to run a checkpoint's code."""
    monkeypatch.setattr("builtins.input", lambda _: "y")


@pytest.mark.parametrize("way", WAYS)
def test_code_that_a_checkpoint_brings_is_not_run(way, checkpoint):
    sentinel = bring_code(checkpoint, "xlm-roberta")
    WAYS[way](checkpoint)
    assert not sentinel.exists()


@pytest.mark.parametrize("way", WAYS)
def test_a_checkpoint_that_is_nothing_without_its_code_is_refused(way, checkpoint):
    sentinel = bring_code(checkpoint, "of-its-own")
    with pytest.raises((ModelLoadError, ValueError)):
        WAYS[way](checkpoint)
    assert not sentinel.exists()


def test_code_of_a_base_is_not_run_when_what_was_trained_is_saved(checkpoint, tmp_path):
    trainee = load_trainee(ModelOptions(name=str(checkpoint)), RECIPE, "cpu")
    sentinel = bring_code(checkpoint, "xlm-roberta")
    save_half(trainee, trainee.network.half().state_dict(), tmp_path / "half")
    assert not sentinel.exists()


def test_nothing_else_reads_a_checkpoint_with_transformers():
    benchmark = ROOT / "jobs" / "benchmark"  # the rivals are as their users write them
    readers = {
        path.name
        for folder in ("jobs", "udfs")
        for path in (ROOT / folder).rglob("*.py")
        if benchmark not in path.parents
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "from_pretrained"
    }
    assert readers == {"model.py"}
