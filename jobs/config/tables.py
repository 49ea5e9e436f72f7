"""The tables of a job: where documents come from, and where the result goes.

Must not import: Spark, torch, transformers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from spark_entities.jobs.config.secrets import CREDENTIALS_IN_URL, Properties, check_path
from spark_entities.jobs.config.sections import (
    MOST_ROWS,
    Section,
    check_distinct,
    check_needs,
    check_written,
)
from spark_entities.udfs.errors import ConfigError

PARQUET, JSON, CSV, JDBC = "parquet", "json", "csv", "jdbc"
FILES = {PARQUET, JSON, CSV}  # formats of which each run is a folder, put in place by a rename
MENTIONS = "mentions"
_PLAIN_FORMATS = {"avro", "orc", "text", "xml"}


class InputSection(Section):
    """Which table to read."""

    path: str | None = None
    """File, folder or glob to read; or give `table`."""

    table: str | None = None
    """Name of a table in the catalog; or give `path`."""

    format: Literal["parquet", "json", "csv", "orc", "text", "jdbc"] = "parquet"
    """Format of the files at `path`; or `jdbc`, with `url` and `dbtable` in `options`."""

    options: Properties = {}
    """Options of Spark's reader, such as `header: true` for csv; a secret as `env:` or `file:`."""

    text_column: str = "text"
    """The column with the documents; `source.name` is the field of a column that is a struct."""

    text_columns: list[str] = []
    """Several columns with documents, instead of `text_column`; each has result columns."""

    id_column: str | None = None
    """The column by which documents are known: of mentions, and with `run.skip_existing`."""

    where: str | None = None
    """Condition in Spark's SQL, such as `lang = 'nl'`; other documents are left out."""

    columns: list[str] | None = None
    """Columns that the result has of the input; all when absent."""

    limit: int | None = Field(default=None, ge=1, le=MOST_ROWS)
    """Classify no more documents than so many; which, Spark chooses."""

    max_files_per_batch: int = Field(default=1000, ge=1, le=MOST_ROWS)
    """Files of one batch, with `run.mode: incremental`; a batch is published as a whole."""

    min_partitions: int | None = Field(default=None, ge=1, le=1_000_000)
    """Spread an input of fewer partitions over so many; when absent, one that leaves slots idle."""

    @property
    def texts(self) -> list[str]:
        """The columns with documents."""
        return self.text_columns or [self.text_column]

    @property
    def texts_key(self) -> str:
        """The key that names them."""
        return "input.text_columns" if self.text_columns else "input.text_column"

    @model_validator(mode="after")
    def _check_path(self) -> InputSection:
        check_path("input.path", self.path)
        return self

    @model_validator(mode="after")
    def _check_columns(self) -> InputSection:
        if self.text_columns and "text_column" in self.model_fields_set:
            raise ConfigError(
                f"input.text_column={self.text_column!r} and input.text_columns="
                f"{self.text_columns}: leave one of them out."
            )
        check_distinct("input.text_columns", self.text_columns)
        check_distinct("input.columns", self.columns or ())
        return self

    @model_validator(mode="after")
    def _check_database(self) -> InputSection:
        if self.format != JDBC:
            return self
        if self.path or self.table:
            raise ConfigError(
                f"input.format='jdbc' with input.path={self.path!r}, input.table={self.table!r}: "
                f"leave both out, and name the table in input.options.dbtable."
            )
        one = "exactly one of input.options.dbtable, the name of a table, and input.options.query"
        sources = _check_jdbc("input", self.options) & {"dbtable", "query"}
        check_needs("input.format='jdbc'", {one: len(sources) == 1})
        return self


class OutputSection(Section):
    """Where the result goes."""

    path: str | None = None
    """Folder of the result; each run is a folder `entity_run=<run id>` in it."""

    table: str | None = Field(default=None, pattern=r"^[\w$-]+(\.[\w$-]+){0,2}$")
    """Name in the catalog, or in the database; of Parquet, of an external table in `path`."""

    format: str = PARQUET
    """Parquet, `json` (lines) and `csv` (of mentions) are published by renames; a table format
    (`delta`) and `jdbc` by a transaction."""

    options: Properties = {}
    """Options of that format's writer (of `jdbc`, its `url`; of `csv`, such as `sep`); a secret as
    `env:` or `file:`."""

    layout: Literal["documents", "mentions"] = "documents"
    """`mentions`: a row for each entity, with the `input.id_column` of its document."""

    prefix: str = Field(default="", pattern=r"^([A-Za-z][A-Za-z0-9_]*)?$")
    """How the columns that are added begin, such as `pos_`, beside those of another model."""

    drop_text: bool = False
    """Leave the texts out of the result; of what is redacted, the words of entities too."""

    partition_by: list[str] = []
    """Columns of the input, such as a month, by which the files of each run are parted."""

    staging_path: str | None = None
    """Folder to stage in for a `table` of a table format without a `path`."""

    mode: Literal["error", "append", "overwrite"] = "error"
    """What to do where a result stands already; `overwrite` replaces it once the new is whole."""

    compression: Literal["zstd", "snappy", "gzip", "lz4", "none"] = "zstd"
    """Codec of the Parquet files; those of `json` and `csv` have none, or gzip."""

    @model_validator(mode="after")
    def _check_paths(self) -> OutputSection:
        check_written("output.path", self.path)
        check_written("output.staging_path", self.staging_path)
        check_distinct("output.partition_by", self.partition_by)
        return self

    @model_validator(mode="after")
    def _check_place(self) -> OutputSection:
        if any(name.lower() == "path" for name in self.options):
            raise ConfigError("output.options names a path. Set output.path in its place.")
        if self.format in _PLAIN_FORMATS:
            raise ConfigError(
                f"output.format={self.format!r} has no transactions, so that a run that dies would "
                f"leave half of its rows. Set it to 'parquet', or to a table format such as delta."
            )
        if self.format in (JSON, CSV):
            needs = {
                "no output.table": self.table is None,
                "output.compression set to gzip or none": self.codec in ("gzip", "none"),
                "output.layout set to 'mentions': a field there holds no arrays": self.format
                == JSON
                or self.layout == MENTIONS,
            }
            check_needs(f"output.format={self.format!r}", needs)
        if self.format == PARQUET and self.table is not None and not self.path:
            raise ConfigError(
                f"output.table={self.table!r} without output.path: a table in Parquet lies in a "
                f"folder. Give output.path, or a table format as output.format."
            )
        if self.table is not None and not self.path and self.staging_path is None:
            raise ConfigError(
                f"output.table={self.table!r} with neither output.path nor output.staging_path: "
                f"a result is staged before it is published. Give a folder executors can write to."
            )
        return self

    @model_validator(mode="after")
    def _check_database(self) -> OutputSection:
        if self.format != JDBC:
            return self
        names = _check_jdbc("output", self.options)
        needs = {
            "output.table set to the name of the table": self.table is not None,
            "output.staging_path, a folder executors can write to": self.staging_path is not None,
            "output.layout set to 'mentions': a column there holds no arrays": self.layout
            == MENTIONS,
            "no output.path": self.path is None,
            "no output.partition_by": not self.partition_by,
            "no dbtable and query in output.options": not names & {"dbtable", "query"},
        }
        check_needs("output.format='jdbc'", needs)
        return self

    @property
    def codec(self) -> str:
        """Codec of the files: text has none, unless it is asked for."""
        is_given = "compression" in self.model_fields_set
        return self.compression if is_given or self.format not in (JSON, CSV) else "none"

    @property
    def staged_beside(self) -> str:
        """Path beside which a result is staged: its own, or its table's in the staging folder.

        Raises:
            ConfigError: if there is neither.

        """
        if not self.path and self.table is None:
            raise ConfigError("output.path is missing. Give the folder for the result.")
        return self.path or f"{self.staging_path}/{self.table}"


def _check_jdbc(key: str, options: Mapping[str, str]) -> set[str]:
    """Refuse options by which no database is reached; returns their names, in lower case."""
    lowered = {name.lower(): value for name, value in options.items()}
    if "url" not in lowered:
        raise ConfigError(
            f"{key}.options has no url. Give that of the database, such as "
            f"jdbc:postgresql://host/database."
        )
    if re.search(CREDENTIALS_IN_URL, lowered["url"]):
        raise ConfigError(
            f"{key}.options.url holds a user or a password. Take them out of it, and give them as "
            f"{key}.options.user and .password (env:NAME or file:PATH)."
        )
    return set(lowered)
