import pytest

from spark_entities.jobs.config import (
    EnrichConfig,
    known_keys,
    read_config,
    resolve_secrets,
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


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ["--classify.strid", "5"],
            r"classify\.strid is an unknown key\. Did you mean classify\.str",
        ),
        (["--inptu.path", "x"], r"inptu\.path is an unknown key\. Did you mean input\.path"),
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
        ("inputs: {path: x}", r"inputs is an unknown key"),
        ("just words", r"has no sections"),
        ("a: [", r"is not valid YAML"),
    ],
)
def test_a_mistake_in_yaml_is_refused(tmp_path, text, message):
    path = tmp_path / "job.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_config(["--config", str(path)])


def test_a_secret_is_not_repeated():
    with pytest.raises(ConfigError) as refused:
        read_config(["--spark.config", '{"a.password": ["hunter2"]}'])
    assert "hunter2" not in str(refused.value)


def test_sections_take_the_options_of_the_engine():
    config = EnrichConfig(classify=ClassifyOptions(stride=3))
    assert config.classify == ClassifyOptions(stride=3)
    assert type(config.classify) is ClassifyOptions


def test_every_key_is_known():
    assert "classify.stride" in known_keys()
    assert "output.mode" in known_keys()


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("spark.config", "spark.hadoop.fs.s3a.secret.key"),
        ("spark.config", "spark.ssl.keyPassword"),
        ("spark.config", "spark.hadoop.fs.azure.account.key"),
        ("input.options", "pwd"),
        ("input.options", "api_key"),
        ("input.options", "sfToken"),
    ],
)
def test_a_secret_comes_from_elsewhere(monkeypatch, tmp_path, section, key):
    with pytest.raises(ConfigError, match=f"{key}=… is a secret.*env:NAME") as refused:
        read_config([f"--{section}", f'{{"{key}": "hunter2"}}'])
    assert "hunter2" not in str(refused.value)

    monkeypatch.setenv("HUNTER", "hunter2")
    (tmp_path / "secret").write_text("hunter3\n")
    for reference, secret in (("env:HUNTER", "hunter2"), (f"file:{tmp_path}/secret", "hunter3")):
        config = read_config([f"--{section}", f'{{"{key}": "{reference}", "header": "true"}}'])
        given = config.spark.config or config.input.options
        assert secret not in repr(config)
        assert resolve_secrets(given) == {key: secret, "header": "true"}


@pytest.mark.parametrize("reference", ["env:NOBODY_SET_THIS", "file:/no/such/file"])
def test_a_secret_that_is_not_there_is_refused(reference):
    with pytest.raises(ConfigError, match=f"pwd={reference} refers to nothing"):
        resolve_secrets({"pwd": reference})


def test_a_name_that_only_sounds_secret_is_none():
    options = '{"tokenizer": "x", "spark.kubernetes.oauthTokenFile": "/run/token"}'
    assert len(read_config(["--spark.config", options]).spark.config) == 2


def test_a_section_that_cannot_be_read_is_not_repeated_where_it_may_hold_a_secret():
    with pytest.raises(ConfigError) as refused:
        read_config(["--spark.config", "my.password=hunter2"])
    assert "hunter2" not in str(refused.value)
