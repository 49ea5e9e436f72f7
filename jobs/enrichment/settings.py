"""The settings of a run: all that its results depend on, and what is known by their digest.

Must not import: Spark, torch, transformers.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict

from spark_entities.jobs.config import EnrichConfig
from spark_entities.udfs.checkpoint import Checkpoint
from spark_entities.udfs.options import ClassifyOptions, RedactOptions

_USUAL = ClassifyOptions()

Settings = Mapping[str, object]

_SPEED_ALONE = {"max_padded_tokens", "buffer_chars"}  # keys that change no result
_LATER = {"labels", "min_score"}  # keys that older results were made without


def settings_of(config: EnrichConfig, checkpoint: Checkpoint) -> Settings:
    """Return the model, how it is used, and which columns are texts."""
    return {
        "model": checkpoint.identify(),
        "model.sha256": checkpoint.digest(),
        "model.precision": config.model.precision,
        **{
            f"classify.{key}": value
            for key, value in asdict(config.classify).items()
            if key not in _SPEED_ALONE and not (key in _LATER and value == getattr(_USUAL, key))
        },
        config.input.texts_key: config.input.text_columns or config.input.text_column,
        **_redaction(config.redaction()),
    }


def _redaction(options: RedactOptions | None) -> Settings:
    """Return how texts are redacted; of a key, what tells another from it, and nothing else."""
    if options is None:
        return {}
    told = {f"redact.{key}": value for key, value in asdict(options).items() if key != "key"}
    mark = hmac.digest(options.key, b"spark-entities", "sha256").hex() if options.key else None
    return {**told, "redact.key": mark}


def digest(settings: Settings) -> str:
    """Return a name for settings; equal ones, equal names.

    >>> digest({"classify.stride": 128, "model": "m"})
    '3ff2874834fa'
    """
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
