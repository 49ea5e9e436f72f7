"""What is a secret in a configuration, and where it comes from: `env:NAME` or `file:PATH`.

Enters: keys and values of properties. Leaves: the same, checked, or with their secrets in place.
Must not import: Spark, torch, transformers.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from spark_entities.udfs.errors import ConfigError

# Parts of a key, between signs and capitals: what makes it that of a secret, alone or before `key`;
# and what makes it the key of something about one, next or last (`credentials.provider`).
_WORDS = {"password", "passwd", "passphrase", "pwd", "secret", "token", "credential"}
_WORDS |= {"credentials", "sas"}
_KEYS_OF = {"api", "access", "secret", "account", "private", "storage"}
_ABOUT = {"binding", "class", "column", "dir", "duration", "enabled", "endpoint", "expiry", "file"}
_ABOUT |= {"format", "id", "interval", "issuer", "length", "location", "mode", "name", "path"}
_ABOUT |= {"policy", "provider", "regex", "renewal", "strategy", "timeout", "ttl", "type"}
_ABOUT |= {"uri", "url", "version"}
_PARTS = re.compile("[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_REFERENCE = r"(env|file):.+"

REDACTED = (
    f"(?i)passw|{'|'.join(sorted(_WORDS - {'sas'}))}|[._-]sas([._-]|$)"
    f"|({'|'.join(sorted(_KEYS_OF))})[._-]?key"
)
"""What tells of a secret anywhere in a key or a text, in the terms of Java's and Python's re."""

CREDENTIALS_IN_URL = r"(?i)(passw|pwd)\w*=|[:/][^:/@]+@"
_CREDENTIALS_IN_PATH = r"://[^/@:]*:(?!\d+/)[^@]*@"  # not those of abfss://files@account


def is_secret(key: str) -> bool:
    """Tell whether the value of a property is a secret, by its key.

    >>> is_secret("sfToken"), is_secret("fs.azure.account.key.ours.dfs.core.windows.net")
    (True, True)
    >>> is_secret("tokenizer"), is_secret("fs.s3a.aws.credentials.provider")
    (False, False)
    """
    parts = [part.lower() for part in _PARTS.findall(key)]
    around = zip(["", *parts], parts, [*parts[1:], ""], strict=False)
    named = (  # of several words in a row, the last decides
        _names_secret(before, part) and after not in _ABOUT | _WORDS
        for before, part, after in around
    )
    return any(named) and parts[-1] not in _ABOUT


def _names_secret(before: str, part: str) -> bool:
    key_of = before if part == "key" else part.removesuffix("key")
    return part in _WORDS or (part.endswith("key") and key_of in _KEYS_OF)


def check_path(key: str, path: str | None) -> None:
    """Refuse a path with a password, which messages, records and Spark's plans would quote.

    Raises:
        ConfigError: naming the key.

    """
    if path is not None and re.search(_CREDENTIALS_IN_PATH, path):
        raise ConfigError(
            f"{key}=… holds a password. Take it out of there, and give it in spark.config (such as "
            f"spark.hadoop.fs.s3a.secret.key) as env:NAME or file:PATH."
        )


def _check_secrets(properties: dict[str, str]) -> dict[str, str]:
    """Refuse properties of which one is a secret itself."""
    for key, value in properties.items():
        if is_secret(key):
            check_reference(key, value)
    return properties


def check_reference(key: str, value: str) -> None:
    """Refuse a secret that stands in a configuration itself.

    Raises:
        ConfigError: naming the key.

    """
    if not re.fullmatch(_REFERENCE, value):
        raise ConfigError(
            f"{key}=… is a secret, and does not belong into a configuration. Set it to "
            f"env:NAME, an environment variable, or file:PATH, a file that holds it."
        )


def _as_text(properties: object) -> object:
    """Write switches and numbers as Spark reads them; YAML takes `true` and `2` for such.

    >>> _as_text({"header": True, "spark.task.cpus": 2})
    {'header': 'true', 'spark.task.cpus': '2'}
    """
    if not isinstance(properties, dict):
        return properties
    return {
        key: str(value).lower() if isinstance(value, bool | int | float) else value
        for key, value in properties.items()
    }


Properties = Annotated[dict[str, str], BeforeValidator(_as_text), AfterValidator(_check_secrets)]


def resolve_secrets(properties: Mapping[str, str]) -> dict[str, str]:
    """Put what is referred to in the place of references.

    `env:` is a reference wherever it stands; `file:` begins many a path, and is one for secrets.

    Raises:
        ConfigError: if what is referred to is not there.

    """
    return {
        key: read_reference(key, value) if is_secret(key) or value.startswith("env:") else value
        for key, value in properties.items()
    }


def read_reference(key: str, value: str) -> str:
    """Read what is referred to.

    Raises:
        ConfigError: if it is not there, or no text.

    """
    kind, _, name = value.partition(":")
    try:
        return os.environ[name] if kind == "env" else Path(name).read_text("utf-8").strip()
    except (KeyError, OSError):
        raise ConfigError(
            f"{key}={value} refers to nothing: there is no such "
            f"{'environment variable' if kind == 'env' else 'file that can be read'}."
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(
            f"{key}={value} refers to a file that is no text in UTF-8. Give one that is."
        ) from None
