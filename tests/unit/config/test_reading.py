import pickle

import pytest
from pydantic import ValidationError

from spark_entities.jobs.config import (
    EnrichConfig,
    EvaluateConfig,
    InputSection,
    known_keys,
    read_config,
)
from spark_entities.udfs.errors import ConfigError
from spark_entities.udfs.options import ClassifyOptions


@pytest.fixture
def yaml_file(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text("input:\n  path: from-yaml\n  format: json\nclassify:\n  stride: 7\n")
    return str(path)


def test_flags_win_over_the_environment_and_the_environment_over_yaml(yaml_file, monkeypatch):
    monkeypatch.setenv("SPARK_ENTITIES__INPUT__PATH", "from-environment")
    monkeypatch.setenv("SPARK_ENTITIES__CLASSIFY__STRIDE", "8")
    config = read_config(["--config", yaml_file, "--classify.stride", "9"])
    assert (config.input.path, config.input.format) == ("from-environment", "json")
    assert config.classify == ClassifyOptions(stride=9)


def test_maps_of_all_sources_are_joined_key_by_key(tmp_path, monkeypatch):
    path = tmp_path / "job.yaml"
    path.write_text("input: {options: {a: yaml, b: yaml, c: yaml}}")
    monkeypatch.setenv("SPARK_ENTITIES__INPUT__OPTIONS", '{"b": "environment", "c": "environment"}')
    config = read_config(["--config", str(path), "--input.options", "c=flag"])
    assert config.input.options == {"a": "yaml", "b": "environment", "c": "flag"}


def test_properties_stand_in_yaml_as_people_write_them(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text(
        "input: {options: {header: true, sep: ;}}\n"
        "spark: {config: {spark.task.cpus: 2, spark.executor.memoryOverheadFactor: 0.2}}"
    )
    config = read_config(["--config", str(path)])
    assert config.input.options == {"header": "true", "sep": ";"}
    assert [*config.spark.config.values()] == ["2", "0.2"]


def test_the_configuration_of_this_machine_leaves_the_columns_of_texts_open():
    flags = ["--config", "conf/local.yaml", "--input.text_columns", "title,body"]
    assert read_config(flags).input.texts == ["title", "body"]


def test_what_is_read_is_what_could_be_written_in_python():
    config = read_config(["--input.path", "articles"])
    assert type(config) is EnrichConfig
    assert pickle.loads(pickle.dumps(config)) == EnrichConfig(input=InputSection(path="articles"))


@pytest.mark.parametrize("given", ["PER,LOC", "PER, LOC", '["PER", "LOC"]'])
def test_a_list_of_the_environment_is_as_in_flags_or_json(monkeypatch, given):
    monkeypatch.setenv("SPARK_ENTITIES__REDACT__GROUPS", given)
    monkeypatch.setenv("SPARK_ENTITIES__CLASSIFY__LABELS", given)
    monkeypatch.setenv("SPARK_ENTITIES__CLASSIFY__MIN_SCORE", ".5")
    config = read_config([])
    assert config.redact.groups == [*config.classify.labels] == ["PER", "LOC"]
    assert config.classify.min_score == 0.5


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("REDACT__GROUPS", '["PER"', r"redact\.groups='\[\"PER\"' is refused: .* valid list"),
        ("CLASSIFY__LABELS", '["PER"', r"classify\.labels='\[\"PER\"' is refused: .*tuple"),
        ("GOLD__RENAME", "GPE", r"gold\.rename='GPE' is refused: .* valid dictionary"),
        ("GOLD", "", r"gold='' is refused: .* valid dictionary"),
        ("GOLD", "gold.tsv", r"gold='gold\.tsv' is refused: .* valid dictionary"),
    ],
)
def test_a_variable_that_cannot_be_read_is_refused_by_its_key(monkeypatch, name, value, message):
    monkeypatch.setenv(f"SPARK_ENTITIES__{name}", value)
    with pytest.raises(ConfigError, match=message):
        read_config([], EvaluateConfig if "GOLD" in name else EnrichConfig)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("REDACTION__GROUPS", r"redact\.groups"),
        ("OUTPT__DROP_TEXT", r"output\.drop_text"),
        ("REDACT_GROUPS", r"redact\.groups"),
        ("GOLDEN__PATH", r"gold\.path"),
    ],
)
def test_a_variable_of_no_section_is_refused(monkeypatch, name, meant):
    monkeypatch.setenv(f"SPARK_ENTITIES__{name}", "true")
    wanted = rf"SPARK_ENTITIES__{name}: .* is an unknown key\. Did you mean {meant}\?"
    with pytest.raises(ConfigError, match=wanted):
        read_config([])


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("REDACT__GROUPS", "REDACT__GROUPS"),
        ("REDACT_GROUPS", "REDACT__GROUPS"),
        ("redact__groups", "REDACT__GROUPS"),
        ("INPUT__OPTIONS__HEADER", "INPUT__OPTIONS__HEADER"),
    ],
)
def test_a_variable_of_one_underscore_is_refused(monkeypatch, name, meant):
    monkeypatch.setenv(f"SPARK_ENTITIES_{name}", "PER")
    wanted = rf"SPARK_ENTITIES_{name} is not read\. Did you mean SPARK_ENTITIES__{meant}\?"
    with pytest.raises(ConfigError, match=wanted):
        read_config([])


def test_variables_that_mean_no_setting_are_left_alone(monkeypatch):
    monkeypatch.setenv("SPARK_ENTITIES_TRACEBACK", "1")
    monkeypatch.setenv("SPARK_ENTITIES_REDACT_KEY", "a secret of some length")
    flags = ["--redact.groups", "PER", "--redact.style", "pseudonym"]
    key = "env:SPARK_ENTITIES_REDACT_KEY"
    assert read_config([*flags, "--redact.key", key]).redact.key == key


def test_one_environment_serves_several_programs(monkeypatch):
    monkeypatch.setenv("SPARK_ENTITIES__GOLD__PATH", "gold.tsv")
    monkeypatch.setenv("SPARK_ENTITIES__PLAN__SAMPLE", "7")
    monkeypatch.setenv("SPARK_ENTITIES__CLASSIFY__STRIDE", "8")
    assert read_config([]).classify.stride == 8


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ["--classify.strid", "5"],
            r"classify\.strid is an unknown key\. Did you mean classify\.str",
        ),
        (["--inptu.path", "x"], r"inptu\.path is an unknown key\. Did you mean input\.path"),
        (["--stride", "5"], r"stride is an unknown key\. Known keys: input\.path, .*classify\.str"),
        (["--input.zzzzz", "5"], r"input\.zzzzz is an unknown key\. Known keys: input\.path, "),
        (["--classify.stride", "-1"], r"classify\.stride=-1 is below 0\. Set it to 0 or more"),
        (["--classify.stride", "many"], r"classify\.stride='many' is refused: .*integer"),
        (["--input.format", "xml"], r"input\.format='xml' is refused: .*'parquet', 'json'"),
        (
            ["--errors.max_failed_fraction", "2"],
            r"errors\.max_failed_fraction='2' is refused: .* 1",
        ),
        (["--run.id", "20260101"], r"run\.id='20260101' is refused"),
        (["--config", "/nowhere.yaml"], r"--config=/nowhere\.yaml cannot be read \(No such file"),
    ],
)
def test_a_mistake_is_refused_with_key_value_and_fix(flags, message):
    with pytest.raises(ConfigError, match=message):
        read_config(flags)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "classify: {strde: 5}",
            r"classify\.strde is an unknown key\. Did you mean classify\.stride",
        ),
        ("inputs: {path: x}", r"inputs is an unknown key\. Did you mean input\?"),
        ("1: x", r"1 is an unknown key"),
        ("just words", r"has no sections"),
        ("a: [", r"is not valid YAML"),
    ],
)
def test_a_mistake_in_yaml_is_refused(tmp_path, text, message):
    path = tmp_path / "job.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_config(["--config", str(path)])


def test_yaml_that_is_not_utf8_is_refused(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text("input: {path: été}", "latin-1")
    with pytest.raises(ConfigError, match=r"job\.yaml cannot be read \(not UTF-8\)\. Give a file"):
        read_config(["--config", str(path)])


def test_a_secret_is_not_repeated():
    with pytest.raises(ConfigError) as refused:
        read_config(["--spark.config", '{"a.password": ["hunter2"]}'])
    assert "hunter2" not in str(refused.value)


def test_every_key_is_known():
    assert "classify.stride" in known_keys()
    assert "output.mode" in known_keys()


@pytest.mark.parametrize(
    "given",
    [
        {"output": {"options": {"password": "hunter2"}}},
        {"redact": {"key": "hunter2"}},
        {"spark": {"config": [["my.password", "hunter2"]]}},
    ],
)
def test_a_secret_is_not_repeated_where_a_program_gives_it(given):
    with pytest.raises(ValidationError) as refused:
        EnrichConfig(**given)
    assert "hunter2" not in str(refused.value)


def test_a_section_that_cannot_be_read_is_not_repeated_where_it_may_hold_a_secret():
    with pytest.raises(ConfigError) as refused:
        read_config(["--spark.config", "my.password=hunter2"])
    assert "hunter2" not in str(refused.value)
