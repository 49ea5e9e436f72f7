import json

import pytest

from spark_entities.jobs.config import EvaluateConfig, read_config
from spark_entities.jobs.scoring.evaluation import Evaluation, print_evaluation, write_json
from spark_entities.jobs.scoring.gold import load_gold
from spark_entities.jobs.scoring.scores import score
from spark_entities.udfs.checkpoint import find_checkpoint
from spark_entities.udfs.options import ModelOptions

GOLD = "Jan B-PER\nMol I-PER\nlacht O\n\nGent B-LOC\nen O\nOslo B-CITY\n"
PREDICTED = [["B-PER", "O", "O"], ["B-LOC", "O", "B-LOC"]]


@pytest.fixture
def evaluation(tmp_path):
    path = tmp_path / "gold.tsv"
    path.write_text(GOLD)
    config = read_config(EvaluateConfig, ["--gold.path", str(path)], program="test")
    gold = load_gold(config.gold)
    scores = score(gold.tags, gold.cut(PREDICTED))
    checkpoint = find_checkpoint(ModelOptions())
    return Evaluation(config=config, checkpoint=checkpoint, gold=gold, scores=scores)


def test_the_tables_show_the_figures(evaluation, capsys):
    print_evaluation(evaluation)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    for line in (
        "gold gold.tsv: 6 words in 2 sentences, IOB2",
        "counted as O predictions of ORG, MISC, which the gold does not have",
        "never found CITY, which the model does not have",
        "LOC 50.00 100.00 66.67 1 2 1 0.00",
        "PER 0.00 0.00 0.00 1 1 0 50.00",
        "all 33.33 33.33 33.33 3 3 1",
        "all, strict 33.33 33.33 33.33 3 3 1",
        "border 1 the same type, other words: the two share a word",
        "CITY · 1 · ·",
        "spurious · · ·",
    ):
        assert line.split() in lines


def test_the_json_has_the_same_figures_in_the_same_bytes_and_no_text(evaluation, tmp_path):
    path = tmp_path / "scores.json"
    path.write_text("an older one")
    write_json(evaluation, path)
    written = path.read_text()
    write_json(evaluation, path)
    assert path.read_text() == written
    assert [each.name for each in tmp_path.glob(".*")] == []
    found = json.loads(written)
    assert found["micro"] == found["strict"]["micro"]
    assert found["micro"] == {
        "precision": 1 / 3, "recall": 1 / 3, "f1": 1 / 3, "gold": 3, "predicted": 3, "right": 1
    }  # fmt: skip
    assert found["model"]["sha256"] == evaluation.checkpoint.digest()
    assert found["gold"]["file"] == "gold.tsv"
    assert found["gold"]["context"] == "sentence"
    assert {"gold": "CITY", "predicted": "LOC", "count": 1} in found["confusions"]
    assert not any(word in written for word in ("Jan", "Mol", "lacht", "Gent", "Oslo"))
    assert str(tmp_path) not in written


def test_many_types_are_told_by_their_commonest_confusions(evaluation, tmp_path, capsys):
    path = tmp_path / "pos.tsv"
    tags = [f"TAG{index}" for index in range(9)]
    path.write_text("".join(f"w {tag}\n" for tag in tags))
    config = read_config(EvaluateConfig, ["--gold.path", str(path)], program="test")
    gold = load_gold(config.gold)
    scores = score(gold.tags, gold.cut([["TAG1", "TAG1", "O", *tags[3:]]]), plain=True)
    checkpoint = evaluation.checkpoint
    print_evaluation(Evaluation(config=config, checkpoint=checkpoint, gold=gold, scores=scores))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["accuracy", "77.78", "9", "7"] in lines
    assert lines[-2:] == [["TAG0", "TAG1", "1"], ["TAG2", "missed", "1"]]
