import pytest

from jobs.config import EnrichConfig, known_keys, load_config
from udfs.errors import ConfigError
from udfs.options import ClassifyOptions


@pytest.fixture
def yaml_file(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text("input:\n  path: from-yaml\n  format: json\nclassify:\n  stride: 7\n")
    return str(path)


def test_flags_win_over_the_environment_and_the_environment_over_yaml(yaml_file, monkeypatch):
    monkeypatch.setenv("SPARK_ENTITIES__INPUT__PATH", "from-environment")
    monkeypatch.setenv("SPARK_ENTITIES__CLASSIFY__STRIDE", "8")
    config = load_config(["--config", yaml_file, "--classify.stride", "9"])
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
        load_config(flags)


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
        load_config(["--config", str(path)])


def test_a_secret_is_not_repeated():
    with pytest.raises(ConfigError) as refused:
        load_config(["--spark.config", '{"a.password": ["hunter2"]}'])
    assert "hunter2" not in str(refused.value)


def test_sections_take_the_options_of_the_engine():
    config = EnrichConfig(classify=ClassifyOptions(stride=3))
    assert config.classify == ClassifyOptions(stride=3)
    assert type(config.classify) is ClassifyOptions


def test_every_key_is_known():
    assert "classify.stride" in known_keys()
    assert "output.mode" in known_keys()
