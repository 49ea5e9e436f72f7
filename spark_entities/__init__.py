"""Token classification over document tables with Apache Spark.

The one name under which it is installed and imported. Each name is imported when first asked for,
so that a driver that only plans loads no torch, and a machine without pyspark can classify.

`jobs` and `udfs` in this folder are the repository's own: links in a checkout, folders in a wheel.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from spark_entities.udfs.errors import (
    ConfigError,
    DeviceError,
    EnrichmentError,
    InferenceError,
    ModelLoadError,
    PublishError,
)
from spark_entities.udfs.options import ClassifyOptions, ModelOptions, RedactOptions

if TYPE_CHECKING:
    from spark_entities.jobs.config import EnrichConfig, read_config
    from spark_entities.jobs.enrich import enrich
    from spark_entities.jobs.report.marks import display
    from spark_entities.jobs.spark.workers import keep_workers
    from spark_entities.udfs.classifier import TokenClassifier
    from spark_entities.udfs.entities_udf import make_entities_udf
    from spark_entities.udfs.serving import log_model
    from spark_entities.udfs.sql import register

__all__ = [
    "ClassifyOptions",
    "ConfigError",
    "DeviceError",
    "EnrichConfig",
    "EnrichmentError",
    "InferenceError",
    "ModelLoadError",
    "ModelOptions",
    "PublishError",
    "RedactOptions",
    "TokenClassifier",
    "display",
    "enrich",
    "keep_workers",
    "log_model",
    "make_entities_udf",
    "read_config",
    "register",
]

_LAZY = {
    "EnrichConfig": "jobs.config",
    "TokenClassifier": "udfs.classifier",
    "display": "jobs.report.marks",
    "enrich": "jobs.enrich",
    "keep_workers": "jobs.spark.workers",
    "log_model": "udfs.serving",
    "make_entities_udf": "udfs.entities_udf",
    "read_config": "jobs.config",
    "register": "udfs.sql",
}


def __getattr__(name: str) -> object:
    if name in _LAZY:
        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
