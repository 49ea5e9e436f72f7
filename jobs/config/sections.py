"""The configuration of a job: one declarative model for YAML keys, flags and environment variables.

Enters: command-line arguments. Leaves: an `EnrichConfig`, or the `JobConfig` of another job,
checked; or a `ConfigError` that names key, value and fix. Must not import: Spark, torch,
transformers.

What is given later wins: YAML (`--config`), environment (`SPARK_ENTITIES__INPUT__PATH`), flags
(`--input.path`).
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    YamlConfigSettingsSource,
)

from spark_entities.jobs.config.energy import Energy
from spark_entities.udfs.errors import ConfigError
from spark_entities.udfs.options import ClassifyOptions, ModelOptions

DOCUMENTED = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
Allowed = Literal[
    "tasks-share-gpu",
    "several-gpus-per-executor",
    "no-worker-reuse",
    "no-python-daemon",
    "idle-timeout-kills",
]
PARQUET, JDBC = "parquet", "jdbc"
MENTIONS = "mentions"
_PLAIN_FORMATS = {"avro", "csv", "json", "orc", "text", "xml"}
_SECRET = re.compile(
    r"(password|passwd|pwd|passphrase|secret|token|credentials?|(api|access|secret|account)[._-]?key)$",
    re.IGNORECASE,
)
_SECRET_WORDS = re.compile(r"passw|pwd|secret|token|credential|key", re.IGNORECASE)
_REFERENCE = re.compile(r"(env|file):(.+)")
_CREDENTIALS_IN_URL = re.compile(r"(passw|pwd)\w*=|[:/][^:/@]+@", re.IGNORECASE)


def _check_secrets(properties: dict[str, str]) -> dict[str, str]:
    """Refuse a secret that stands in the configuration itself."""
    for key, value in properties.items():
        if is_secret(key) and not _REFERENCE.fullmatch(value):
            raise ConfigError(
                f"{key}=… is a secret, and does not belong into a configuration. Set it to "
                f"env:NAME, an environment variable, or file:PATH, a file that holds it."
            )
    return properties


Properties = Annotated[dict[str, str], AfterValidator(_check_secrets)]


def is_secret(key: str) -> bool:
    """Tell whether the value of a property is a secret, by its key."""
    return _SECRET.search(key) is not None


def resolve_secrets(properties: Mapping[str, str]) -> dict[str, str]:
    """Put secrets in the place of the references to them.

    Raises:
        ConfigError: if what is referred to is not there.

    """
    return {
        key: _read_reference(key, value) if is_secret(key) else value
        for key, value in properties.items()
    }


def _read_reference(key: str, value: str) -> str:
    kind, _, name = value.partition(":")
    try:
        return os.environ[name] if kind == "env" else Path(name).read_text("utf-8").strip()
    except (KeyError, OSError):
        raise ConfigError(
            f"{key}={value} refers to nothing: there is no such "
            f"{'environment variable' if kind == 'env' else 'file that can be read'}."
        ) from None


def _check_jdbc(key: str, options: Mapping[str, str]) -> set[str]:
    """Refuse options by which no database is reached; returns their names, in lower case."""
    lowered = {name.lower(): value for name, value in options.items()}
    if "url" not in lowered:
        raise ConfigError(
            f"{key}.options has no url. Give that of the database, such as "
            f"jdbc:postgresql://host/database."
        )
    if _CREDENTIALS_IN_URL.search(lowered["url"]):
        raise ConfigError(
            f"{key}.options.url holds a user or a password. Take them out of it, and give them as "
            f"{key}.options.user and .password (env:NAME or file:PATH)."
        )
    return set(lowered)


class InputSection(BaseModel):
    """Which table to read."""

    model_config = DOCUMENTED

    path: str | None = None
    """File, folder or glob to read; or give `table`."""

    table: str | None = None
    """Name of a table in the catalog; or give `path`."""

    format: Literal["parquet", "json", "csv", "orc", "text", "jdbc"] = "parquet"
    """Format of the files at `path`; or `jdbc`, with `url` and `dbtable` in `options`."""

    options: Properties = {}
    """Options of Spark's reader, such as `header: true` for csv; a secret as `env:` or `file:`."""

    text_column: str = "text"
    """The column with the documents."""

    id_column: str | None = None
    """The column by which documents are known: of mentions, and with `run.skip_existing`."""

    max_files_per_batch: int = Field(default=1000, ge=1)
    """Files of one batch, with `run.mode: incremental`; a batch is published as a whole."""

    min_partitions: int | None = Field(default=None, ge=1)
    """Spread an input of fewer partitions over so many; when absent, one that leaves slots idle."""

    @model_validator(mode="after")
    def _check_database(self) -> InputSection:
        if self.format != JDBC:
            return self
        if self.path or self.table:
            raise ConfigError(
                f"input.format='jdbc' with input.path={self.path!r}, input.table={self.table!r}: "
                f"leave both out, and name the table in input.options.dbtable."
            )
        if len(_check_jdbc("input", self.options) & {"dbtable", "query"}) != 1:
            raise ConfigError(
                "input.format='jdbc' needs exactly one of input.options.dbtable, the name of a "
                "table, and input.options.query."
            )
        return self


class OutputSection(BaseModel):
    """Where the result goes."""

    model_config = DOCUMENTED

    path: str | None = None
    """Folder of the result; each run is a folder `entity_run=<run id>` in it."""

    table: str | None = Field(default=None, pattern=r"^[\w$-]+(\.[\w$-]+){0,2}$")
    """Name in the catalog, or in the database; of Parquet, of an external table in `path`."""

    format: str = PARQUET
    """Parquet is published by renames; a table format (`delta`) and `jdbc` by a transaction."""

    options: Properties = {}
    """Options of that format's writer (of `jdbc`, its `url`); a secret as `env:` or `file:`."""

    layout: Literal["documents", "mentions"] = "documents"
    """`mentions`: a row for each entity, with the `input.id_column` of its document."""

    partition_by: list[str] = []
    """Columns of the input, such as a month, by which the files of each run are parted."""

    staging_path: str | None = None
    """Folder to stage in for a `table` of a table format without a `path`."""

    mode: Literal["error", "append", "overwrite"] = "error"
    """What to do where a result stands already; `overwrite` replaces it once the new is whole."""

    compression: Literal["zstd", "snappy", "gzip", "lz4", "none"] = "zstd"
    """Codec of the Parquet files."""

    @model_validator(mode="after")
    def _check_place(self) -> OutputSection:
        if self.format in _PLAIN_FORMATS:
            raise ConfigError(
                f"output.format={self.format!r} has no transactions, so that a run that dies would "
                f"leave half of its rows. Set it to 'parquet', or to a table format such as delta."
            )
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
        needed = {
            "output.table set to the name of the table": self.table is not None,
            "output.staging_path, a folder executors can write to": self.staging_path is not None,
            "output.layout set to 'mentions': a column there holds no arrays": self.layout
            == MENTIONS,
            "no output.path": self.path is None,
            "no output.partition_by": not self.partition_by,
            "no dbtable and query in output.options": not names & {"dbtable", "query"},
        }
        for need, met in needed.items():
            if not met:
                raise ConfigError(f"output.format='jdbc' needs {need}.")
        return self

    @property
    def staged_beside(self) -> str:
        """Path beside which a result is staged.

        Raises:
            ConfigError: if there is none.

        """
        if self.path:
            return self.path
        if self.table is None:
            raise ConfigError("output.path is missing. Give the folder for the result.")
        return f"{self.staging_path}/{self.table}"


class ErrorsSection(BaseModel):
    """What to do about documents that fail."""

    model_config = DOCUMENTED

    policy: Literal["keep", "fail", "quarantine"] = "keep"
    """`keep` them with the reason; `fail` the run; `quarantine`: keep, and write them apart too."""

    quarantine_path: str | None = None
    """Folder for rows that failed, with policy `quarantine`; each run is a folder in it."""

    quarantine_text: bool = False
    """Whether the rows that are written apart have their text."""

    max_failed_fraction: float = Field(default=0.5, ge=0, le=1)
    """Share of failed documents above which nothing is published, 0 to 1."""

    @model_validator(mode="after")
    def _check_quarantine(self) -> ErrorsSection:
        if (self.policy == "quarantine") != (self.quarantine_path is not None):
            raise ConfigError(
                f"errors.policy={self.policy!r} with errors.quarantine_path="
                f"{self.quarantine_path!r}: give a path with 'quarantine', and with it alone."
            )
        return self

    @property
    def allowed_fraction(self) -> float:
        """Share of failed documents above which nothing is published."""
        return 0.0 if self.policy == "fail" else self.max_failed_fraction


class RunSection(BaseModel):
    """The run itself."""

    model_config = DOCUMENTED

    mode: Literal["batch", "incremental"] = "batch"
    """`incremental` publishes what is new in the input since the last such run, batch by batch."""

    id: str | None = Field(default=None, pattern=r"^[A-Za-z][A-Za-z0-9._-]{0,99}$")
    """Name of the run, a letter first; made from the time when absent."""

    skip_existing: bool = False
    """Leave out documents of which the output has the id, with the same text and settings."""

    show_documents: int = Field(default=0, ge=0)
    """How many documents to print with their entities at the end."""


class ReportSection(Energy):
    """The page about the run. It quotes no document, unless `names` or `samples` ask for it."""

    path: str | None = None
    """Folder on the driver's disk for the page, `<run id>.html`, instead of the run's own."""

    names: int = Field(default=0, ge=0, le=1000)
    """How many of the names that stand in most documents it tells, of each group."""

    samples: int = Field(default=0, ge=0, le=1000)
    """How many documents it shows, with their entities marked."""


class SparkSection(BaseModel):
    """The Spark session, where the job makes one of its own."""

    model_config = DOCUMENTED

    master: str | None = None
    """Master, such as `local[2]`, or Connect server (`sc://host`); spark-submit's when absent."""

    config: Properties = {}
    """Spark properties, such as `spark.task.cpus: 2`; a secret as `env:NAME` or `file:PATH`."""

    allow: list[Allowed] = []
    """Errors of `spark-entities check` that are meant to be."""


def _section(options: type[Any]) -> Any:
    """Make a section of a frozen dataclass of the engine, with its keys, types and checks."""
    checked = pydantic_dataclass(
        options, frozen=True, kw_only=True, config=ConfigDict(extra="forbid")
    )
    names = [field.name for field in dataclasses.fields(options)]

    def as_keys(value: object) -> object:
        return dataclasses.asdict(value) if isinstance(value, options) else value

    def plain(value: object) -> object:
        return options(**{name: getattr(value, name) for name in names})

    return Annotated[checked, BeforeValidator(as_keys), AfterValidator(plain)]


if TYPE_CHECKING:
    ModelSection = ModelOptions
    ClassifySection = ClassifyOptions
else:
    ModelSection, ClassifySection = _section(ModelOptions), _section(ClassifyOptions)


class JobConfig(BaseSettings):
    """What the configurations of all jobs have in common: where their values come from."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        env_prefix="SPARK_ENTITIES__",
        env_nested_delimiter="__",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Rank the sources: flags (added by pydantic-settings), then environment, then YAML."""
        return init_settings, env_settings, YamlConfigSettingsSource(settings_cls)


Config = TypeVar("Config", bound=JobConfig)


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
        for key, place in (("input", self.input.path), ("output", self.output.path)):
            if path and place and Path(path).resolve().is_relative_to(Path(place).resolve()):
                raise ConfigError(
                    f"report.path={path!r} lies in {key}.path={place!r}, whose readers would take "
                    f"pages for data. Choose a folder outside."
                )
        return self

    @model_validator(mode="after")
    def _check_existing(self) -> EnrichConfig:
        if not self.run.skip_existing:
            return self
        needed = {
            "input.id_column": (self.input.id_column is not None, "the column with the ids"),
            "output.mode": (self.output.mode == "append", "'append'"),
            "output.format": (self.output.format == PARQUET, "'parquet'"),
            "output.layout": (self.output.layout != MENTIONS, "'documents', which have texts"),
            "run.mode": (self.run.mode == "batch", "'batch': an incremental run skips by itself"),
        }
        for key, (given, value) in needed.items():
            if not given:
                raise ConfigError(f"run.skip_existing=True needs {key} set to {value}.")
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


def load_config(
    arguments: Sequence[str], *, program: str = "spark-entities enrich"
) -> EnrichConfig:
    """Read the configuration of the enrichment job, as `read_config` does."""
    return read_config(EnrichConfig, arguments, program=program)


def read_config(kind: type[Config], arguments: Sequence[str], *, program: str) -> Config:
    """Read the configuration of a job that a command line asks for.

    Raises:
        ConfigError: for an unknown key, a wrong type or a value out of range.

    """
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--config", type=Path)
    known, flags = parser.parse_known_args(arguments)
    if known.config is not None:
        _check_yaml(known.config)

    class FromFile(kind):  # type: ignore[valid-type,misc]  # a class of the kind asked for
        model_config = SettingsConfigDict(yaml_file=known.config, yaml_file_encoding="utf-8")

    FromFile.__doc__ = kind.__doc__
    keys = known_keys(kind)
    try:
        config: Config = FromFile(
            _cli_parse_args=flags, _cli_prog_name=program, _cli_exit_on_error=False
        )
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(detail, keys) for detail in error.errors())) from None
    except SettingsError as error:
        raise ConfigError(_explain_flags(str(error), keys)) from None
    return config


def _check_yaml(path: Path) -> None:
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(
            f"--config={path} cannot be read ({error.strerror}). Give a file."
        ) from None
    except yaml.YAMLError as error:
        raise ConfigError(f"--config={path} is not valid YAML: {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"--config={path} has no sections. Begin with 'model:'.")


def known_keys(kind: type[JobConfig] = EnrichConfig) -> list[str]:
    """List every key of a job's configuration, as `section.key`."""
    keys = []
    for section, field in kind.model_fields.items():
        options: Any = field.annotation
        names = (
            options.model_fields
            if issubclass(options, BaseModel)
            else [field.name for field in dataclasses.fields(options)]
        )
        keys += [f"{section}.{name}" for name in names]
    return keys


def _explain(detail: Any, keys: Sequence[str]) -> str:
    key = ".".join(map(str, detail["loc"]))
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, ConfigError):
        return str(cause)
    if detail["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return _unknown_key(key, keys)
    given = repr(detail["input"])
    value = "…" if is_secret(key) or _SECRET_WORDS.search(given) else given
    return f"{key}={value} is refused: {detail['msg']}. Set {key} accordingly."


def _explain_flags(message: str, keys: Sequence[str]) -> str:
    unknown = re.search(r"unrecognized arguments: --([\w.]+)", message)
    return _unknown_key(unknown[1], keys) if unknown else message


def _unknown_key(key: str, keys: Sequence[str]) -> str:
    close = difflib.get_close_matches(key, keys, n=1)
    section = [name for name in keys if name.startswith(key.split(".")[0] + ".")] or keys
    hint = f"Did you mean {close[0]}?" if close else f"Known keys: {', '.join(section)}."
    return f"{key} is an unknown key. {hint}"
