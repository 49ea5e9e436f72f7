"""The configuration of `spark-entities enrich`, and what its sections ask of each other.

Must not import: Spark, torch, transformers.
"""

from __future__ import annotations

from pydantic import Field, model_validator

from spark_entities.jobs.config.sections import (
    ClassifySection,
    ErrorsSection,
    JobConfig,
    ModelSection,
    ReportSection,
    RunSection,
    SparkSection,
    check_needs,
)
from spark_entities.jobs.config.tables import JDBC, MENTIONS, PARQUET, InputSection, OutputSection
from spark_entities.udfs.errors import ConfigError
from spark_entities.udfs.options import ClassifyOptions, ModelOptions


class EnrichConfig(JobConfig):
    """Find entities in a table of documents. `--config FILE` reads YAML keys."""

    input: InputSection = InputSection()
    output: OutputSection = OutputSection()
    model: ModelSection = Field(default_factory=ModelOptions)
    classify: ClassifySection = Field(default_factory=ClassifyOptions)
    errors: ErrorsSection = ErrorsSection()
    run: RunSection = RunSection()
    report: ReportSection = ReportSection()
    spark: SparkSection = SparkSection()

    @model_validator(mode="after")
    def _check_incremental(self) -> EnrichConfig:
        if self.run.mode == "incremental" and self.output.mode != "append":
            raise ConfigError(
                f"output.mode={self.output.mode!r} with run.mode='incremental': each batch is "
                f"added to those before. Set output.mode to 'append'."
            )
        if self.run.mode == "incremental" and self.run.id is not None:
            raise ConfigError(
                f"run.id={self.run.id!r} with run.mode='incremental': batches are named by Spark's "
                f"count of them. Leave run.id out."
            )
        if self.run.mode == "incremental" and self.input.format == JDBC:
            raise ConfigError(
                "input.format='jdbc' with run.mode='incremental': a database does not tell what is "
                "new in it. Choose by input.options.query, or set run.skip_existing."
            )
        return self

    @model_validator(mode="after")
    def _check_report(self) -> EnrichConfig:
        path, quotes = self.report.path, self.report.names or self.report.samples
        if quotes and path is None and self.output.format != PARQUET:
            raise ConfigError(
                f"report.names={self.report.names}, report.samples={self.report.samples} with "
                f"output.format={self.output.format!r}, whose runs have no folder for the page. "
                f"Set report.path to one, or leave them out."
            )
        return self

    @model_validator(mode="after")
    def _check_existing(self) -> EnrichConfig:
        if not self.run.skip_existing:
            return self
        needs = {
            "input.id_column set to the column with the ids": self.input.id_column is not None,
            "output.mode set to 'append'": self.output.mode == "append",
            "output.format set to 'parquet'": self.output.format == PARQUET,
            "output.layout set to 'documents', which have texts": self.output.layout != MENTIONS,
            "run.mode set to 'batch': an incremental run skips by itself": self.run.mode == "batch",
        }
        check_needs("run.skip_existing=True", needs)
        return self

    @model_validator(mode="after")
    def _check_mentions(self) -> EnrichConfig:
        if self.output.layout != MENTIONS:
            return self
        if self.input.id_column is None:
            raise ConfigError(
                "output.layout='mentions' without input.id_column: a mention would not tell whose "
                "it is. Set it to the column with the documents' ids."
            )
        if self.errors.policy == "keep":
            raise ConfigError(
                "errors.policy='keep' with output.layout='mentions': a document that fails has no "
                "mention, and would be lost. Set it to 'quarantine' or 'fail'."
            )
        if self.run.show_documents:
            raise ConfigError(
                f"run.show_documents={self.run.show_documents} with output.layout='mentions': "
                f"there are no texts to show. Set it to 0."
            )
        return self
