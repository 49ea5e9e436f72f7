import re

import pytest

from spark_entities.jobs.config import REDACTED, is_secret, read_config, resolve_secrets
from spark_entities.jobs.config.secrets import read_reference
from spark_entities.udfs.errors import ConfigError

SECRETS = [
    "password",
    "db.passwd",
    "pwd",
    "keyPassphrase",
    "fs.s3a.secret.key",
    "sfToken",
    "credential",
    "fs.azure.credentials",
    "api_key",
    "accessKey",
    "spark.hadoop.fs.azure.account-key",
    "spark.hadoop.fs.azure.account.key.ours.dfs.core.windows.net",
    "spark.hadoop.fs.azure.sas.container.ours.blob.core.windows.net",
    "spark.hadoop.fs.azure.account.oauth2.client.secret.ours.dfs.core.windows.net",
    "spark.hadoop.fs.s3a.bucket.ours.secret.key",
    "spark.hadoop.fs.s3a.session.token",
    "spark.hadoop.fs.gs.auth.service.account.private.key",
    "pem_private_key",
    "apikey",
    "credentials.provider.password",
    "spark.hadoop.fs.azure.account.key.ours.file.core.windows.net",
]


@pytest.mark.parametrize("key", SECRETS)
def test_what_is_a_secret_here_is_hidden_by_spark_too(key):
    assert is_secret(key)
    assert re.search(REDACTED, f"spark.{key}")


@pytest.mark.parametrize(
    "key",
    [
        "tokenizer",
        "secretary",
        "keyspace",
        "passwords.file.format",
        "spark.hadoop.fs.s3a.aws.credentials.provider",
        "spark.hadoop.fs.azure.sas.token.provider.type.ours.dfs.core.windows.net",
        "spark.hadoop.fs.azure.account.oauth2.client.id.ours.dfs.core.windows.net",
        "spark.hadoop.fs.gs.auth.service.account.private.key.id",
        "spark.security.credentials.hive.enabled",
        "spark.kubernetes.authenticate.oauthTokenFile",
        "maxTokens",
    ],
)
def test_what_only_sounds_like_a_secret_may_stand_in_a_configuration(key):
    assert not is_secret(key)


def test_a_name_that_only_sounds_secret_is_none():
    options = '{"tokenizer": "x", "spark.kubernetes.oauthTokenFile": "/run/token"}'
    assert len(read_config(["--spark.config", options]).spark.config) == 2


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


def test_a_secret_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "key").write_bytes(b"\xff" * 32)
    with pytest.raises(ConfigError, match=r"redact\.key=file:.* refers to a file that is no text"):
        read_reference("redact.key", f"file:{tmp_path}/key")


def test_an_environment_variable_is_referred_to_by_any_key(monkeypatch):
    monkeypatch.setenv("AZ", "hunter2")
    given = {"fs.azure.account.of.ours": "env:AZ", "spark.files": "file:/opt/words.txt"}
    assert resolve_secrets(given) == given | {"fs.azure.account.of.ours": "hunter2"}


@pytest.mark.parametrize("value", ["12345678901234567890", '["sesame, open yourself"]'])
def test_a_key_of_another_type_is_not_repeated(tmp_path, value):
    (tmp_path / "job.yaml").write_text(f"redact: {{groups: [PER], key: {value}}}")
    with pytest.raises(ConfigError, match=r"redact\.key=… is refused: .* valid string"):
        read_config(["--config", str(tmp_path / "job.yaml")])


@pytest.mark.parametrize("path", ["s3a://AKIA:hunter2@ours/in", "s3a://AKIA:hun/ter2@ours/in"])
@pytest.mark.parametrize("key", ["input.path", "output.path", "output.staging_path"])
def test_a_path_with_a_password_is_refused_and_not_repeated(key, path):
    with pytest.raises(ConfigError, match=f"{key}=… holds a password.* env:NAME") as refused:
        read_config([f"--{key}", path])
    assert "ter2" not in str(refused.value)


def test_a_list_of_paths_with_passwords_is_not_repeated(tmp_path):
    (tmp_path / "job.yaml").write_text("input: {path: ['s3a://AKIA:hunter2@ours/in']}")
    with pytest.raises(ConfigError, match=r"input\.path=… is refused: .* valid string"):
        read_config(["--config", str(tmp_path / "job.yaml")])


@pytest.mark.parametrize(
    "path",
    [
        "abfss://files@account.dfs.core.windows.net/in",
        "hdfs://node:8020/user/me@home",
        "/home/me@home:in/x@y",
    ],
)
def test_a_path_with_other_names_before_an_at_sign_is_taken(path):
    assert read_config(["--input.path", path]).input.path == path


@pytest.mark.fault("a secret in a file that is no YAML", "brackets, quotes, marks left open")
@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("spark:\n  config:\n    spark.ssl.keyPassword: 'hunter2\n", "line 4, column 1"),
        ("spark: {config: [hunter2\n", "line 2, column 1"),
        ("spark:\n  - hunter2\n  config: x\n", "line 3, column 3"),
        ("spark: hunter2: hunter2\n", "line 1, column 15"),
        ("spark: *hunter2\n", "line 1, column 8"),
        ("spark: !hunter2 x\n", "line 1, column 8"),
    ],
)
def test_yaml_that_cannot_be_read_is_not_quoted(tmp_path, content, place):
    config = tmp_path / "job.yaml"
    config.write_text(content)
    with pytest.raises(ConfigError, match=f"job.yaml is not valid YAML in {place}: ") as refused:
        read_config(["--config", str(config)])
    assert "hunter2" not in str(refused.value)
