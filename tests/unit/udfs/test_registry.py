"""Models of a real MLflow registry, in files: found, fetched once, pinned, served."""

import shutil
import sys

import mlflow
import pandas as pd
import pytest
from huggingface_hub import constants
from mlflow import MlflowClient

from spark_entities import (
    ClassifyOptions,
    ModelOptions,
    TokenClassifier,
    log_model,
    make_entities_udf,
)
from spark_entities.udfs.checkpoint import find_checkpoint
from spark_entities.udfs.errors import ConfigError, ModelLoadError

NAME = "main.news.names"  # as Unity Catalog names them


@pytest.fixture
def client(tmp_path, monkeypatch):
    for name, value in {
        "MLFLOW_TRACKING_URI": f"file://{tmp_path}/mlruns",
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "cache"))
    return MlflowClient()


@pytest.fixture
def registered(client, checkpoint):
    """Two versions of a model; the second is the champion."""
    client.create_registered_model(NAME)
    for _ in range(2):
        client.create_model_version(NAME, source=f"file://{checkpoint}")
    client.set_registered_model_alias(NAME, "champion", "2")
    return checkpoint


def find(name):
    return find_checkpoint(ModelOptions(name=name))


def test_an_alias_becomes_the_version_that_it_means_today(client, registered):
    found = find(f"models:/{NAME}@champion")
    assert found.options.name == f"models:/{NAME}/2"
    assert found.identify() == f"models:/{NAME}/2@{found.digest()[:12]}"
    client.set_registered_model_alias(NAME, "champion", "1")
    assert find(f"models:/{NAME}@champion").options.name == f"models:/{NAME}/1"
    assert found.folder != find(f"models:/{NAME}/1").folder


def test_workers_are_told_the_folder_and_the_weights_and_need_no_registry(client, registered):
    pinned = find(f"models:/{NAME}/1").pin()
    assert pinned.sha256 == find(str(registered)).digest()
    client.delete_registered_model(NAME)
    assert find_checkpoint(pinned).scheme.groups == ("PER", "LOC")


def test_a_version_is_fetched_once(client, registered):
    folder = find(f"models:/{NAME}/1").folder
    shutil.rmtree(registered)
    assert find(f"models:/{NAME}/1").folder == folder
    assert [path for path in folder.parent.iterdir() if path.is_dir()] == [folder]


def test_a_version_that_was_made_anew_is_fetched_anew(client, registered):
    before = find(f"models:/{NAME}/1").folder
    client.delete_registered_model(NAME)
    client.create_registered_model(NAME)
    client.create_model_version(NAME, source=f"file://{registered}")
    assert find(f"models:/{NAME}/1").folder != before


def test_the_flavor_transformers_has_its_tokenizer_elsewhere(client, checkpoint, tmp_path):
    logged = tmp_path / "logged"
    shutil.copytree(checkpoint, logged / "model")
    (logged / "components" / "tokenizer").mkdir(parents=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.move(logged / "model" / name, logged / "components" / "tokenizer")
    client.create_registered_model(NAME)
    client.create_model_version(NAME, source=f"file://{logged}")
    assert find(f"models:/{NAME}/1").read_capacity() == find(str(checkpoint)).read_capacity() == 30
    assert (find(f"models:/{NAME}/1").folder / "tokenizer_config.json").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (f"models:/{NAME}", "is no version of a registered model. Give models:/name/version or"),
        (f"models:/{NAME}/latest", "is no version of a registered model"),
        (f"models:/{NAME}/3", r"is not found in the registry \(RESOURCE_DOES_NOT_EXIST\)"),
        (f"models:/{NAME}@challenger", r"is not found in the registry \("),
        ("models:/others@champion", r"is not found in the registry \("),
    ],
)
def test_what_is_not_there_is_refused(client, registered, name, words):
    with pytest.raises(ModelLoadError, match=words):
        find(name)


def test_a_revision_beside_a_version_is_refused(client, registered):
    with pytest.raises(ModelLoadError, match=r"revision='main': 'models:/x/1' names its version"):
        find_checkpoint(ModelOptions(name="models:/x/1", revision="main"))


def test_a_model_without_safetensors_is_refused_and_leaves_nothing(client, registered):
    (registered / "model.safetensors").rename(registered / "pytorch_model.bin")
    with pytest.raises(ModelLoadError, match=r"has 0 folders with config\.json and safetensors"):
        find(f"models:/{NAME}/1")
    assert [
        path for path in (registered.parent / "cache" / "mlflow").iterdir() if path.is_dir()
    ] == []


def test_files_that_cannot_be_fetched_are_told_by_the_kind_of_error(client):
    client.create_registered_model(NAME)
    client.create_model_version(NAME, source="s3://bucket/model")  # which takes a package
    with pytest.raises(ModelLoadError, match=r"/1' cannot be fetched \(ModuleNotFoundError\)"):
        find(f"models:/{NAME}/1")


def test_a_cache_that_cannot_be_written_to_is_told(client, registered, monkeypatch):
    monkeypatch.setattr(constants, "HF_HOME", str(registered / "config.json"))
    with pytest.raises(
        ModelLoadError, match=r"cannot be kept in .* \(Not a directory\). Set HF_HO"
    ):
        find(f"models:/{NAME}/1")


def test_without_mlflow_the_extra_is_named(monkeypatch):
    for name in ("mlflow", "mlflow.pyfunc"):
        monkeypatch.setitem(sys.modules, name, None)
    words = r"needs MLflow\. Install mlflow-skinny"
    with pytest.raises(ModelLoadError, match=words):
        find("models:/x/1")
    with pytest.raises(ConfigError, match=words):
        log_model()


@pytest.mark.filterwarnings("ignore:.*AnyType:UserWarning")  # as mlflow.pyfunc is imported
def test_a_logged_classifier_serves_what_the_engine_finds(client, checkpoint):
    options = ClassifyOptions(stride=4)
    texts = ["Emma woont in Londen", None, "", None]
    info = log_model(
        "names", str(checkpoint), options, text_column="body", registered_model_name=NAME
    )
    served = mlflow.pyfunc.load_model(info.model_uri)
    table = pd.DataFrame({"id": range(4), "body": [*texts[:3], float("nan")]})
    answers = served.predict(table)
    classifier = TokenClassifier.load(ModelOptions(name=str(checkpoint)), options, "cpu")
    assert answers.to_dict("records") == classifier.classify(texts).to_pylist()
    assert served.predict(pd.DataFrame({"body": pd.Series([], dtype=str)})).columns[0] == "entities"
    assert find(f"models:/{NAME}/1").digest() == find(str(checkpoint)).digest()


def test_a_udf_looks_a_registered_model_up_once_for_all_its_workers(client, registered):
    make_entities_udf(f"models:/{NAME}@champion")
    with pytest.raises(ModelLoadError, match="is not found in the registry"):
        make_entities_udf(f"models:/{NAME}@nobody")
