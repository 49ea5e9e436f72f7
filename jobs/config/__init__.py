"""Settings: enters what a user gave, leaves a checked configuration or a `ConfigError`.

Must not import: Spark, torch, transformers.
"""

from spark_entities.jobs.config.energy import Energy
from spark_entities.jobs.config.evaluate import EvaluateConfig, GoldSection
from spark_entities.jobs.config.sections import (
    JDBC,
    MENTIONS,
    PARQUET,
    Allowed,
    EnrichConfig,
    ErrorsSection,
    InputSection,
    OutputSection,
    ReportSection,
    RunSection,
    SparkSection,
    is_secret,
    known_keys,
    load_config,
    read_config,
    resolve_secrets,
)

__all__ = [
    "JDBC",
    "MENTIONS",
    "PARQUET",
    "Allowed",
    "Energy",
    "EnrichConfig",
    "ErrorsSection",
    "EvaluateConfig",
    "GoldSection",
    "InputSection",
    "OutputSection",
    "ReportSection",
    "RunSection",
    "SparkSection",
    "is_secret",
    "known_keys",
    "load_config",
    "read_config",
    "resolve_secrets",
]
