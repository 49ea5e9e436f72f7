"""The settings of a run: all that its results depend on, and what is known by their digest.

Must not import: Spark, torch, transformers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict

from spark_entities.jobs.config import EnrichConfig
from spark_entities.udfs.checkpoint import Checkpoint

Settings = Mapping[str, object]

_SPEED_ALONE = {"max_padded_tokens", "buffer_chars"}  # keys that change no result


def settings_of(config: EnrichConfig, checkpoint: Checkpoint) -> Settings:
    """Return the model, how it is used, and which column is the text."""
    return {
        "model": checkpoint.identify(),
        "model.sha256": checkpoint.digest(),
        "model.precision": config.model.precision,
        **{
            f"classify.{key}": value
            for key, value in asdict(config.classify).items()
            if key not in _SPEED_ALONE
        },
        "input.text_column": config.input.text_column,
    }


def digest(settings: Settings) -> str:
    """Return a name for settings; equal ones, equal names.

    >>> digest({"classify.stride": 128, "model": "m"})
    '3ff2874834fa'
    """
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
