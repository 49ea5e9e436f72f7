"""What any use of a model on Spark needs: a session, and a model that its workers can load.

Enters: a configuration. Leaves: a `Setup`, or a `ConfigError` or `ModelLoadError` that says what
stands against it. Must not import: torch, transformers. Runs on Spark Connect.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

from spark_entities.jobs.config import EnrichConfig, EvaluateConfig
from spark_entities.jobs.output.mentions import check_layout
from spark_entities.jobs.spark.preflight import (
    Finding,
    check_settings,
    own_properties,
    session_properties,
)
from spark_entities.jobs.spark.properties import SparkProperties
from spark_entities.jobs.spark.session import make_session
from spark_entities.jobs.spark.trial import try_model
from spark_entities.jobs.tables.columns import check_columns
from spark_entities.jobs.tables.footers import read_columns
from spark_entities.jobs.tables.result_columns import ResultColumns
from spark_entities.udfs.checkpoint import Checkpoint, find_checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """A session, and a model that its workers can load."""

    spark: SparkSession
    config: EnrichConfig
    checkpoint: Checkpoint
    warnings: Sequence[Finding]
    started: float  # by the monotonic clock, before there was a session

    @property
    def columns(self) -> ResultColumns:
        """The columns that results have beside those of the input."""
        return ResultColumns.of(self.config, self.checkpoint.scheme.groups)

    @property
    def kept_groups(self) -> list[str]:
        """The groups of which results have entities."""
        return self.config.classify.kept(self.checkpoint.scheme.groups)


def set_up(
    spark: SparkSession | None, config: EnrichConfig, *, program: str = "spark-entities"
) -> Setup:
    """Make sure that workers of a session can load the model, and compute as they should.

    Raises:
        ConfigError, ModelLoadError: if they cannot.

    """
    started, checkpoint = time.monotonic(), check_setup(config)
    if (columns := read_columns(config.input, config.spark)) is not None:
        check_table(columns, config, checkpoint)
    session = spark or make_session(config.spark, program)
    warnings = check_settings(session_properties(session), checkpoint, config.spark.allow)
    try_model(session, checkpoint)
    return Setup(
        spark=session, config=config, checkpoint=checkpoint, warnings=warnings, started=started
    )


def check_setup(config: EnrichConfig | EvaluateConfig) -> Checkpoint:
    """Find the model, and hold what is configured of Spark against it; no session is needed."""
    checkpoint = check_model(config)
    own = own_properties(config.spark)
    SparkProperties(own).check_start()
    check_settings(own, checkpoint, config.spark.allow)
    return checkpoint


def check_model(config: EnrichConfig | EvaluateConfig) -> Checkpoint:
    """Find the model, and check that its windows and groups can be used."""
    checkpoint = find_checkpoint(config.model)
    config.classify.check_window(checkpoint.read_capacity())
    config.classify.check_groups(checkpoint.scheme.groups)
    if isinstance(config, EnrichConfig):
        ResultColumns.of(config, checkpoint.scheme.groups)  # refuses what would share one
        if (redact := config.redaction()) is not None:
            redact.check_fits(config.classify.aggregation_strategy, checkpoint.scheme.groups)
    return checkpoint


def check_table(columns: StructType, config: EnrichConfig, checkpoint: Checkpoint) -> None:
    """Check that a table has what is asked of it, and no column that the job adds."""
    added = ResultColumns.of(config, checkpoint.scheme.groups).added
    check_columns(columns, config.input, added)
    check_layout(columns, config)
