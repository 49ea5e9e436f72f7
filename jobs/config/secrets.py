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

from pydantic import AfterValidator

from spark_entities.udfs.errors import ConfigError

# What makes a key that of a secret, and what else may stand behind it where a key ends with it.
_WORDS = {
    "passw": "(or)?d",
    "passphrase": "",
    "pwd": "",
    "secret": "",
    "token": "",
    "credential": "s?",
    "(api|access|secret|account)[._-]?key": "",
}
_SECRET = f"(?i)({'|'.join(word + end for word, end in _WORDS.items())})$"
_REFERENCE = r"(env|file):.+"

REDACTED = f"(?i){'|'.join(_WORDS)}"
"""What tells of a secret anywhere in a key or a text, in the terms of Java's and Python's re."""

CREDENTIALS_IN_URL = r"(?i)(passw|pwd)\w*=|[:/][^:/@]+@"


def is_secret(key: str) -> bool:
    """Tell whether the value of a property is a secret, by its key.

    >>> is_secret("fs.s3a.secret.key"), is_secret("sfToken"), is_secret("tokenizer")
    (True, True, False)
    """
    return re.search(_SECRET, key) is not None


def _check_secrets(properties: dict[str, str]) -> dict[str, str]:
    """Refuse a secret that stands in the configuration itself."""
    for key, value in properties.items():
        if is_secret(key) and not re.fullmatch(_REFERENCE, value):
            raise ConfigError(
                f"{key}=… is a secret, and does not belong into a configuration. Set it to "
                f"env:NAME, an environment variable, or file:PATH, a file that holds it."
            )
    return properties


Properties = Annotated[dict[str, str], AfterValidator(_check_secrets)]


def resolve_secrets(properties: Mapping[str, str]) -> dict[str, str]:
    """Put secrets in the place of the references to them.

    Raises:
        ConfigError: if what is referred to is not there.

    """
    return {
        key: _read_reference(key, value) if is_secret(key) else value
        for key, value in properties.items()
    }


def _read_reference(key: str, value: str) -> str:
    kind, _, name = value.partition(":")
    try:
        return os.environ[name] if kind == "env" else Path(name).read_text("utf-8").strip()
    except (KeyError, OSError):
        raise ConfigError(
            f"{key}={value} refers to nothing: there is no such "
            f"{'environment variable' if kind == 'env' else 'file that can be read'}."
        ) from None
