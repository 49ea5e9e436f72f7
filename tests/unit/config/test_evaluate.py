import re

import pytest

from spark_entities.jobs.config import EvaluateConfig, known_keys, read_config
from spark_entities.udfs.errors import ConfigError


def read(*flags):
    return read_config(flags, EvaluateConfig, program="spark-entities evaluate")


@pytest.mark.parametrize("name", ["gold.tsv", "soft.tsv", "hard.tsv"])
def test_scores_do_not_replace_the_gold_whatever_it_is_called(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    gold = tmp_path / "gold.tsv"
    gold.write_text("Emma I-PER\n")
    (tmp_path / "soft.tsv").symlink_to(gold)
    (tmp_path / "hard.tsv").hardlink_to(gold)
    with pytest.raises(
        ConfigError, match=rf"output\.path={re.escape(name)} is gold\.path=.*Give an"
    ):
        read("--gold.path", str(gold), "--output.path", name)
    assert read("--gold.path", str(gold), "--output.path", "scores.json").output.path is not None


def test_settings_are_named_as_in_enrich(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text("gold: {path: gold.tsv, rename: {GPE_LOC: LOC}}\nmodel: {precision: int8}\n")
    config = read("--config", str(path), "--classify.stride", "9", "--gold.rename", "PROD=MISC")
    assert config.gold.rename == {"GPE_LOC": "LOC", "PROD": "MISC"}
    assert (config.model.precision, config.classify.stride) == ("int8", 9)
    shared = {key for key in known_keys() if key.startswith(("model.", "classify.", "spark."))}
    assert shared < set(known_keys(EvaluateConfig))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], r"gold\.path is missing\. Set it to a CoNLL file"),
        (["--gold.pth", "x"], r"gold\.pth is an unknown key\. Did you mean gold\.path\?"),
        (["--input.path", "x"], r"input\.path is an unknown key\."),
        (["--gold.encoding", "latin-99"], r"gold\.encoding='latin-99' is no encoding"),
        (["--gold.encoding", "hex"], r"gold\.encoding='hex' is no encoding"),
        (["--gold.word_column", "0"], r"gold\.word_column=0 is no column.* from 1"),
        (["--gold.tag_column", "1"], r"gold\.word_column=1 and gold\.tag_column=1 are the same"),
        (["--gold.context", "page"], r"gold\.context='page' is refused: .*'sentence' or 'docum"),
        (["--output.path", "/no/where.json"], r"output\.path=/no/where\.json is .* not there"),
        (["--output.path", "/"], r"output\.path=/ is a folder"),
        (
            ["--gold.path", "x", "--classify.aggregation_strategy", "none"],
            r"classify\.aggregation_strategy='none' gives labelled tokens",
        ),
    ],
)
def test_a_mistake_is_refused_with_key_and_fix(flags, message):
    with pytest.raises(ConfigError, match=message):
        read(*flags)
