"""The configuration of `spark-entities enrich`, and what its sections ask of each other.

Must not import: Spark, torch, transformers.
"""

from __future__ import annotations

from pydantic import Field, model_validator

from spark_entities.jobs.config.secrets import read_reference
from spark_entities.jobs.config.sections import (
    ClassifySection,
    ErrorsSection,
    JobConfig,
    ModelSection,
    Policy,
    RedactSection,
    ReportSection,
    RunSection,
    SparkSection,
    check_needs,
)
from spark_entities.jobs.config.tables import (
    FILES,
    JDBC,
    MENTIONS,
    PARQUET,
    InputSection,
    OutputSection,
)
from spark_entities.udfs.errors import ConfigError
from spark_entities.udfs.options import ClassifyOptions, ModelOptions, RedactOptions


class EnrichConfig(JobConfig):
    """Find entities in a table of documents. `--config FILE` reads YAML keys."""

    input: InputSection = InputSection()
    output: OutputSection = OutputSection()
    model: ModelSection = Field(default_factory=ModelOptions)
    classify: ClassifySection = Field(default_factory=ClassifyOptions)
    redact: RedactSection = RedactSection()
    errors: ErrorsSection = ErrorsSection()
    run: RunSection = RunSection()
    report: ReportSection = ReportSection()
    spark: SparkSection = SparkSection()

    def redaction(self) -> RedactOptions | None:
        """Return what is to be taken out of texts, with the key that is referred to.

        Raises:
            ConfigError: if there is no such key, or it does not fit.

        """
        wanted = self.redact
        if not wanted.groups:
            return None
        key = None if wanted.key is None else read_reference("redact.key", wanted.key).encode()
        return RedactOptions(
            groups=tuple(wanted.groups),
            style=wanted.style,
            min_score=wanted.min_score,
            key=key,
            hides_words=self.output.drop_text,
        )

    @property
    def keeps_texts(self) -> bool:
        """Whether the result has the texts of the input."""
        chosen, texts = self.input.columns, self.input.texts
        return not self.output.drop_text and (
            chosen is None or all({name, name.partition(".")[0]} & {*chosen} for name in texts)
        )

    @model_validator(mode="after")
    def _check_texts(self) -> EnrichConfig:
        wanted = {
            "run.show_documents": self.run.show_documents,
            "report.samples": self.report.samples,
            "errors.quarantine_text": self.errors.quarantine_text,
            "run.skip_existing": self.run.skip_existing,
        }
        for key, value in wanted.items():
            if value and not self.keeps_texts:
                raise ConfigError(
                    f"{key}={value} needs the texts in the result, which output.drop_text or "
                    f"input.columns leave out. Keep them there, or leave {key} out."
                )
        return self

    @model_validator(mode="after")
    def _check_carried(self) -> EnrichConfig:
        chosen = self.input.columns
        needed = [self.input.id_column, *self.output.partition_by]
        missing = [name for name in needed if name and chosen is not None and name not in chosen]
        if missing:
            raise ConfigError(
                f"input.columns={chosen} lacks {', '.join(missing)}, which input.id_column or "
                f"output.partition_by names. Add it there."
            )
        return self

    @model_validator(mode="after")
    def _check_limit(self) -> EnrichConfig:
        if self.input.limit is not None and self.run.mode == "incremental":
            raise ConfigError(
                f"input.limit={self.input.limit} with run.mode='incremental': the documents beyond "
                f"it would never be read. Set input.max_files_per_batch, or leave it out."
            )
        return self

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
        if quotes and path is None and self.output.format not in FILES:
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
        names = {part for name in self.input.texts for part in (name, name.partition(".")[0])}
        if self.output.drop_text and self.input.id_column in names:
            raise ConfigError(
                f"input.id_column={self.input.id_column!r} holds texts, which output.drop_text "
                f"leaves out. Choose another column, or keep the texts."
            )
        if self.errors.policy == "keep":
            raise ConfigError(
                "errors.policy='keep' with output.layout='mentions': a document that fails has no "
                "mention, and would be lost. Set it to 'quarantine' or 'fail', or leave it out."
            )
        if self.run.show_documents:
            raise ConfigError(
                f"run.show_documents={self.run.show_documents} with output.layout='mentions': "
                f"there are no texts to show. Set it to 0."
            )
        if self.redact.groups:
            raise ConfigError(
                "redact.groups with output.layout='mentions', which has no texts. Set it to "
                "'documents'."
            )
        return self

    @property
    def policy(self) -> Policy:
        """What is done about documents that fail."""
        return self.errors.policy or ("fail" if self.output.layout == MENTIONS else "keep")
