import re

import pytest

from spark_entities.jobs.config import REDACTED, is_secret

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
]


@pytest.mark.parametrize("key", SECRETS)
def test_what_is_a_secret_here_is_hidden_by_spark_too(key):
    assert is_secret(key)
    assert re.search(REDACTED, f"spark.{key}")


@pytest.mark.parametrize("key", ["tokenizer", "secretary", "keyspace", "passwords.file.format"])
def test_what_only_sounds_like_a_secret_may_stand_in_a_configuration(key):
    assert not is_secret(key)
