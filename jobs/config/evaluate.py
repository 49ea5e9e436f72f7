"""The configuration of `spark-entities evaluate`: what is scored, and against what.

Must not import: Spark, torch, transformers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from spark_entities.jobs.config.sections import (
    ClassifySection,
    JobConfig,
    ModelSection,
    Section,
    SparkSection,
)
from spark_entities.udfs.errors import ConfigError
from spark_entities.udfs.options import ClassifyOptions, ModelOptions


class GoldSection(Section):
    """The words and the tags that people gave them, and the texts that are made of them."""

    path: Path | None = None
    """A CoNLL file, gzipped or not: a word a line, an empty line between sentences."""

    encoding: str = "utf-8"
    """Encoding of the file, as Python names it: `utf-8`, `latin-1`, `cp1252`, `utf-16`."""

    word_column: int = 1
    """Column of the words, counted from 1, or from the end by -1."""

    tag_column: int = -1
    """Column of the tags, counted from 1, or from the end by -1."""

    rename: dict[str, str] = {}
    """Types of the file in the model's terms, such as `GPE_LOC=LOC`; `O` takes a type out."""

    context: Literal["sentence", "document"] = "sentence"
    """What one text is: a sentence, or all between two `-DOCSTART-` lines."""

    join: Literal["text", "spaces"] = "text"
    """How words become a text: as a person would have typed them, or with spaces between all."""

    @field_validator("encoding")
    @classmethod
    def _check_encoding(cls, value: str) -> str:
        try:
            b"-".decode(value, errors="replace")
        except LookupError:
            raise ConfigError(
                f"gold.encoding={value!r} is no encoding that Python knows. Set it to utf-8, "
                f"latin-1, cp1252, utf-16 or another."
            ) from None
        return value

    @model_validator(mode="after")
    def _check_columns(self) -> GoldSection:
        for key, value in (("word_column", self.word_column), ("tag_column", self.tag_column)):
            if value == 0:
                raise ConfigError(
                    f"gold.{key}=0 is no column. They are counted from 1, or from the end by -1."
                )
        if self.word_column == self.tag_column:
            raise ConfigError(
                f"gold.word_column={self.word_column} and gold.tag_column={self.tag_column} are "
                f"the same. Set one of them to another column."
            )
        return self


class ScoresSection(Section):
    """Where the scores go, beside the terminal."""

    path: Path | None = None
    """A file for the scores as JSON, which replaces one of that name; none when absent."""

    @field_validator("path")
    @classmethod
    def _check_folder(cls, value: Path | None) -> Path | None:
        if value is not None and (value.is_dir() or not value.parent.is_dir()):
            raise ConfigError(
                f"output.path={value} is a folder, or in one that is not there. Give a file in a "
                f"folder that is."
            )
        return value


class EvaluateConfig(JobConfig):
    """Score a model on a CoNLL file. `--config FILE` reads YAML keys."""

    gold: GoldSection = GoldSection()
    output: ScoresSection = ScoresSection()
    model: ModelSection = Field(default_factory=ModelOptions)
    classify: ClassifySection = Field(default_factory=ClassifyOptions)
    spark: SparkSection = SparkSection()

    @model_validator(mode="after")
    def _check(self) -> EvaluateConfig:
        if self.gold.path is None:
            raise ConfigError("gold.path is missing. Set it to a CoNLL file.")
        read, written = self.gold.path, self.output.path
        if written and written.exists() and read.exists() and written.samefile(read):
            raise ConfigError(
                f"output.path={written} is gold.path={read}, which the scores would replace. Give "
                f"another file."
            )
        if self.classify.aggregation_strategy == "none":
            raise ConfigError(
                "classify.aggregation_strategy='none' gives labelled tokens, which cannot be "
                "scored. Set it to first, simple, average or max."
            )
        return self
