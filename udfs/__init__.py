"""Token classification for Apache Spark: the engine, and the UDF around it.

`TokenClassifier` and the options need no Spark; `make_entities_udf` does. Each name is imported
when first asked for, so that a driver that only plans loads no torch, and a machine without
pyspark can classify.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from udfs.errors import (
    ConfigError,
    DeviceError,
    EnrichmentError,
    InferenceError,
    ModelLoadError,
    PublishError,
)
from udfs.options import ClassifyOptions, ModelOptions

if TYPE_CHECKING:
    from udfs.classifier import TokenClassifier
    from udfs.entities_udf import make_entities_udf

__all__ = [
    "ClassifyOptions",
    "ConfigError",
    "DeviceError",
    "EnrichmentError",
    "InferenceError",
    "ModelLoadError",
    "ModelOptions",
    "PublishError",
    "TokenClassifier",
    "make_entities_udf",
]

_LAZY = {"TokenClassifier": "udfs.classifier", "make_entities_udf": "udfs.entities_udf"}


def __getattr__(name: str) -> object:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
