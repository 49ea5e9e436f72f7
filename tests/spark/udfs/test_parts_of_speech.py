"""Part-of-speech tagging, from training to the job: a tiny model of made-up sentences."""

import json
import random
import re

import pytest

from spark_entities.jobs.config import EnrichConfig
from spark_entities.jobs.enrich import run
from spark_entities.jobs.evaluate import main as evaluate
from spark_entities.jobs.finetune import finetune
from spark_entities.jobs.training.recipe import Corpus, Recipe, Training
from tests.support.families import make_checkpoint

LEXICON = {
    "DET": ["de", "een", "deze", "elke"],
    "ADJ": ["oude", "kleine", "rode", "stille", "nieuwe"],
    "NOUN": ["kat", "trein", "brug", "molen", "fiets", "tuin", "haven"],
    "VERB": ["staat", "wacht", "slaapt", "begint", "eindigt"],
    "ADP": ["bij", "achter", "naast", "onder"],
    "PUNCT": [".", "!", "?"],
}
ORDER = ["DET", "ADJ", "NOUN", "VERB", "ADP", "DET", "NOUN", "PUNCT"]


def write_sentences(path, count, seed):
    rng = random.Random(seed)
    sentences = [[(rng.choice(LEXICON[tag]), tag) for tag in ORDER] for _ in range(count)]
    lines = ("\n".join(f"{word}\t{tag}" for word, tag in sentence) for sentence in sentences)
    path.write_text("\n\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pos")


@pytest.fixture(scope="module")
def model(folder):
    """A model trained to tag the made-up sentences."""
    write_sentences(folder / "train.tsv", 300, seed=1)
    base = make_checkpoint("WordPiece uncased", folder / "base")
    training = Training(
        epochs=12,
        max_sentences_per_text=1,
        max_padded_tokens=240,
        learning_rate=5e-3,
        head_learning_rate=1e-2,
        dropout=0,
    )
    recipe = Recipe(tags=list(LEXICON), corpora=[Corpus(file="train.tsv")], training=training)
    finetune(recipe, folder, base, folder / "model")
    return folder / "model"


def test_the_job_gives_one_element_a_word(spark, model, tmp_path):
    source = str(tmp_path / "in")
    spark.createDataFrame([("De oude kat slaapt bij de brug.",)], "text string").write.text(source)
    config = EnrichConfig(
        input={"path": source, "format": "text"},
        output={"path": str(tmp_path / "out")},
        model={"name": str(model)},
    )
    run(spark, config)
    (row,) = spark.read.parquet(config.output.path).collect()
    words = [entity["word"] for entity in row["entities"]]
    assert words == ["De", "oude", "kat", "slaapt", "bij", "de", "brug", "."]
    assert row["entities_noun"] == ["kat", "brug"]
    assert row["entities_verb"] == ["slaapt"]


def test_a_command_prints_the_accuracy(spark, model, folder, capsys):
    write_sentences(folder / "test.tsv", 40, seed=2)
    path, scores = folder / "test.tsv", folder / "scores.json"
    flags = ["--gold.path", path, "--model.name", model, "--output.path", scores]
    assert evaluate([*map(str, flags)]) == 0
    share, words, right = re.search(
        r"^accuracy +(\S+) +(\d+) +(\d+) *$", capsys.readouterr().out, re.MULTILINE
    ).groups()
    assert float(share) > 90
    assert int(words) == 40 * len(ORDER)
    assert int(right) >= 0.9 * int(words)
    found = json.loads(scores.read_text())
    assert found["accuracy"] == int(right) / int(words)
    assert sorted(found["types"]) == sorted(LEXICON)
    assert (found["micro"], found["strict"]) == (None, None)
