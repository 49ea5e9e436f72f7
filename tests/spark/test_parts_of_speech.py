"""Part-of-speech tagging, from training to the job: a tiny model of made-up sentences."""

import random
import re

import pytest

from jobs.config import EnrichConfig
from jobs.enrich import run
from jobs.evaluate import main as evaluate
from jobs.finetune import finetune
from jobs.recipe import Corpus, Recipe, Training
from tests.families import make_checkpoint

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
        epochs=30,
        max_sentences_per_text=1,
        max_padded_tokens=120,
        learning_rate=5e-3,
        head_learning_rate=1e-2,
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
    assert evaluate(["--file", str(folder / "test.tsv"), "--model", str(model)]) == 0
    share, right, words = re.fullmatch(
        r"accuracy (\S+) \((\d+) of (\d+) words\)\n", capsys.readouterr().out
    ).groups()
    assert float(share) > 0.9
    assert int(words) == 40 * len(ORDER)
    assert int(right) >= 0.9 * int(words)


def test_entities_are_scored_as_conll_does(spark, tmp_path, capsys):
    lines = [
        "Mijn O", "naam O", "is O", "Emma B-PER", "en O", "ik O", "woon O", "in O", "Londen B-LOC",
        ". O",
    ]  # fmt: skip
    path = tmp_path / "gold.tsv"
    path.write_text("\n".join(lines) + "\n")
    assert evaluate(["--file", str(path)]) == 0
    assert re.search(r"micro avg +1\.000 +1\.000 +1\.000 +2", capsys.readouterr().out)
