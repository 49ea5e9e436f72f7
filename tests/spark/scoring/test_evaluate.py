"""`spark-entities evaluate` on the bundled model."""

import json
import re

import pytest

from spark_entities.jobs.evaluate import main

# Two articles in IOB1. The gold of the second is wrong about Emma.
GOLD = """-DOCSTART- -X- O

Mijn N O
naam N O
is N O
Emma N I-PER
en N O
ik N O
woon N O
in N O
Londen N I-LOC
. N O

-DOCSTART- -X- O

Emma N I-LOC
woont N O
in N O
Londen N I-LOC
. N O
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "gold.tsv"
    path.write_text(GOLD)
    return path


def test_entities_are_scored_twice_alike(spark, path, tmp_path, capsys):
    outcomes = []
    for context in ("document", "document", "sentence"):
        output = tmp_path / "scores.json"
        flags = ["--gold.path", path, "--gold.context", context, "--output.path", output]
        assert main([*map(str, flags)]) == 0
        outcomes.append((output.read_text(), capsys.readouterr().out))
    assert outcomes[0] == outcomes[1]
    for written, printed in outcomes[1:]:
        found = json.loads(written)
        assert (found["kinds"]["right"], found["kinds"]["type"]) == (3, 1)
        assert {"gold": "LOC", "predicted": "PER", "count": 1} in found["confusions"]
        assert found["gold"]["tags_rewritten"] == 4
        assert re.search(r"^all +75\.00 +75\.00 +75\.00 +4 +4 +3", printed, re.MULTILINE)


def test_it_is_told_what_an_evaluation_is_at(spark, path, capsys):
    assert main(["--gold.path", str(path)]) == 0
    assert capsys.readouterr().err.splitlines()[-2:] == ["Loading bundled …", "Scoring …"]


def test_a_text_that_fails_fails_the_evaluation(spark, path, capsys):
    flags = ["--gold.path", str(path), "--classify.max_document_chars", "30"]
    assert main(flags) == 1
    said = capsys.readouterr()
    reason = "longer than classify.max_document_chars=30 characters"
    assert said.err.splitlines()[-1] == f"failed: 1 of 2 texts failed: 1 times {reason}."
    assert said.out == ""


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--gold.path", "/no/file.tsv"], r"refused: /no/file\.tsv cannot be read \(No such"),
        (["--gold.tag_column", "2"], r"refused: gold\.path: gold\.tsv has 1 plain tags, and .*PER"),
        (["--gold.tag_column", "4"], r"refused: gold\.tsv, line 3: a word without a tag"),
        (["--gold.rename", "PER=person", "--gold.rename", "LOC=place"], r"has person, place, and"),
        (["--model.name", "/no/model"], r"refused: model\.name='/no/model' is not a folder"),
        (["--classify.stride", "510"], r"refused: classify\.stride must be smaller"),
        (["--output.path", "/proc/x.json"], r"refused: output\.path='/proc' cannot be written to"),
    ],
)
def test_what_cannot_be_scored_is_refused_before_spark(path, capsys, monkeypatch, flags, message):
    monkeypatch.setattr(
        "spark_entities.jobs.evaluate.make_session", lambda *_: pytest.fail("Spark was started")
    )
    assert main(["--gold.path", str(path), *flags]) == 2
    said = capsys.readouterr().err
    assert re.search(message, said)
    assert "Emma" not in said
