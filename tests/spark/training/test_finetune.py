"""Training in two processes, started by Spark's TorchDistributor, beside training in one."""

import pytest
from safetensors.torch import load_file

from spark_entities.jobs.finetune import main
from tests.spark.udfs.test_parts_of_speech import LEXICON, write_sentences
from tests.support.families import make_checkpoint

RECIPE = f"""
tags: [{", ".join(LEXICON)}]
corpora:
  - file: train.tsv
development:
  - file: dev.tsv
training:
  epochs: 12
  max_sentences_per_text: 1
  max_padded_tokens: 240
  learning_rate: 5.0e-3
  head_learning_rate: 1.0e-2
  dropout: 0
  precision: float32
"""


@pytest.fixture
def command(tmp_path):
    """Make the command line of a training run in so many processes."""
    write_sentences(tmp_path / "train.tsv", 300, seed=1)
    write_sentences(tmp_path / "dev.tsv", 40, seed=2)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    make_checkpoint("WordPiece uncased", tmp_path / "base")
    names = {"recipe": "recipe.yaml", "corpora": "", "base": "base"}
    options = [part for name, at in names.items() for part in (f"--{name}", str(tmp_path / at))]
    return lambda output, *more: [*options, "--output", str(tmp_path / output), *more]


def development_score(folder):
    """Read the score of the weights that were kept off the model card."""
    (line,) = [line for line in (folder / "README.md").read_text().splitlines() if "kept" in line]
    return float(line.split("|")[-3])


# TorchDistributor does not close the pipe that it reads the processes' output from.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_two_processes_come_to_the_model_of_one(spark, command, tmp_path):
    assert main(command("one")) == 0
    assert main(command("two", "--distributed", "2")) == 0
    scores = [development_score(tmp_path / name) for name in ("one", "two")]
    assert min(scores) > 0.95
    assert abs(scores[0] - scores[1]) < 0.02
    base, one, two = (
        load_file(tmp_path / name / "model.safetensors") for name in ("base", "one", "two")
    )
    name = "bert.encoder.layer.0.output.dense.weight"
    moved = (one[name].float() - base[name]).norm()
    assert (one[name] - two[name]).float().norm() < 0.1 * moved
    assert "2 threads" in (tmp_path / "two" / "README.md").read_text()
