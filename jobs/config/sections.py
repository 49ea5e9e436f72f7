"""What configurations are made of: a section, a job that has some, and those beside its tables.

Must not import: Spark, torch, transformers.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, WrapValidator, model_validator
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from spark_entities.jobs.config.secrets import Properties, check_path, check_reference
from spark_entities.udfs.errors import ConfigError
from spark_entities.udfs.options import ClassifyOptions, ModelOptions, RedactionStyle

Allowed = Literal[
    "tasks-share-gpu",
    "several-gpus-per-executor",
    "no-worker-reuse",
    "no-python-daemon",
    "idle-timeout-kills",
]
Policy = Literal["keep", "fail", "quarantine"]
MOST_ROWS = 2**31 - 1  # that Spark can be asked for


class Section(BaseModel):
    """Settings that belong together: each with a docstring, none unknown."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True
    )


class Variables(EnvSettingsSource):
    """The environment, where a list may be as flags have it (`PER,LOC`), beside JSON."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: str) -> Any:
        """Read the value of a list, a map or a section; `validate` refuses one that is no JSON."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            kinds = field.annotation, *get_args(field.annotation)
            is_list = value[:1] not in "[{" and {*map(get_origin, kinds)} & {list, tuple}
            return [part.strip() for part in value.split(",")] if is_list else value


class JobConfig(BaseSettings):
    """The sections of a job. What a caller leaves out is taken from the environment."""

    model_config = SettingsConfigDict(
        frozen=True,
        env_prefix="SPARK_ENTITIES__",
        env_nested_delimiter="__",
        hide_input_in_errors=True,  # it may be a secret
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read what the caller gives, then variables."""
        return init_settings, Variables(settings_cls)


def check_needs(setting: str, needs: Mapping[str, bool]) -> None:
    """Refuse a setting, by the first of its needs that is not met."""
    for need, met in needs.items():
        if not met:
            raise ConfigError(f"{setting} needs {need}.")


def check_distinct(key: str, names: Sequence[str]) -> None:
    """Refuse names of which one stands twice.

    Raises:
        ConfigError: naming the key and those.

    """
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ConfigError(f"{key} names {', '.join(sorted(twice))} twice. Name it once.")


_NO_PATH_TO_WRITE = {
    r"[*?\[\]{}]": "has one of *?[]{}, which Spark reads as a pattern when it reads",
    r"\.(staging|replaced)-[^/]*$|\.incremental$": (
        "is named as what runs leave beside their outputs, and clear away"
    ),
    r"^file://[^/]": "names a host, and Hadoop knows local files by file:/… alone",
    r"^$|^[\w+.-]+:(//[^/]*)?$": "is the root of a file system (is a variable empty in it?)",
    r":[^/]*$": "has a colon in its last part, which Hadoop takes for the end of a scheme",
}


def check_written(key: str, path: str | None) -> None:
    """Refuse a path to write to that holds a password, or would be taken for something else.

    Raises:
        ConfigError: naming the key.

    """
    check_path(key, path)
    for pattern, reason in _NO_PATH_TO_WRITE.items():
        if path and re.search(pattern, path.rstrip("/")):
            raise ConfigError(f"{key}={path!r} {reason}. Choose another name.")


class ErrorsSection(Section):
    """What to do about documents that fail."""

    policy: Policy | None = None
    """`keep` them with the reason; `fail` the run; `quarantine`: keep, and write them apart too.

    When absent, `keep`; with `output.layout: mentions`, `fail`, as they would have no row there.
    """

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
        check_written("errors.quarantine_path", self.quarantine_path)
        return self


class RunSection(Section):
    """The run itself."""

    mode: Literal["batch", "incremental"] = "batch"
    """`incremental` publishes what is new in the input since the last such run, batch by batch."""

    id: str | None = Field(default=None, pattern=r"^[A-Za-z][A-Za-z0-9._-]{0,99}$")
    """Name of the run, a letter first; made from the time when absent."""

    skip_existing: bool = False
    """Leave out documents of which the output has the id, with the same text and settings."""

    show_documents: int = Field(default=0, ge=0, le=MOST_ROWS)
    """How many documents with entities, or an error, to print at the end; and how many documents
    `preview` shows, instead of ten."""

    @model_validator(mode="after")
    def _check_id(self) -> RunSection:
        if self.id in ("NaN", "Infinity"):
            raise ConfigError(
                f"run.id={self.id!r} is the name of a folder, which Spark would read as a number. "
                f"Choose another name."
            )
        return self


class Energy(Section):
    """What the carbon footprint is reckoned with: hours × watts × intensity.

    The formula is that of Lacoste et al. 2019 (arXiv 1910.09700).
    """

    watts: float = Field(default=150, gt=0)
    """Power of the machines at work together, or of the share that the job has."""

    grams_co2e_per_kwh: float = Field(default=432, gt=0)
    """Carbon intensity of the power; the default is the OECD's average of 2014."""

    def footprint(self, hours: float) -> tuple[float, float]:
        """Return kWh and grams of CO2e.

        >>> Energy(watts=500, grams_co2e_per_kwh=300).footprint(2.0)
        (1.0, 300.0)
        """
        kwh = hours * self.watts / 1000
        return kwh, kwh * self.grams_co2e_per_kwh


class ReportSection(Energy):
    """The page about the run. It quotes no document, unless `names` or `samples` ask for it."""

    title: str | None = None
    """What the page is called; the name of the input when absent."""

    path: str | None = None
    """Folder on the driver's disk for the page, `<run id>.html`, instead of the run's own."""

    names: int = Field(default=0, ge=0, le=1000)
    """How many of the names that stand in most documents it tells, of each group."""

    samples: int = Field(default=0, ge=0, le=1000)
    """How many documents it shows, with their entities marked."""


class RedactSection(Section):
    """Mentions that are taken out of the texts, in a column `<text>_redacted`."""

    groups: list[str] = []
    """Groups to redact, such as PER and LOC; no text is redacted when empty."""

    style: RedactionStyle = "label"
    """What stands in their place: `[PER]`; as many `█` as letters; or a `PER_…` by name and key."""

    min_score: float = Field(default=0, ge=0, le=1)
    """Mentions of a lower score stay in the text; `classify.min_score` does not count here."""

    key: str | None = None
    """Key of pseudonyms, 16 bytes or more, as `env:NAME` or `file:PATH`."""

    @model_validator(mode="after")
    def _check(self) -> RedactSection:
        if not self.groups and self.model_fields_set:
            given = ", ".join(f"redact.{name}" for name in sorted(self.model_fields_set))
            raise ConfigError(f"{given} without redact.groups. Name the groups to redact there.")
        if self.key is not None:
            check_reference("redact.key", self.key)
        return self


class SparkSection(Section):
    """The Spark session, where the job makes one of its own."""

    master: str | None = None
    """Master, such as `local[2]`, or Connect server (`sc://host`); spark-submit's when absent."""

    config: Properties = {}
    """Spark properties, such as `spark.task.cpus: 2`; a secret as `env:NAME` or `file:PATH`."""

    allow: list[Allowed] = []
    """Errors of `spark-entities check` that are meant to be."""


def _section(options: type[Any]) -> Any:
    """Make a section of a frozen dataclass of the engine, with its keys, types and checks."""
    checked = pydantic_dataclass(options, frozen=True, kw_only=True, config={"extra": "forbid"})

    def as_given(value: object, check: Callable[[object], Any]) -> object:
        keys = dataclasses.asdict(value) if isinstance(value, options) else value
        return options(**dataclasses.asdict(check(keys)))

    return Annotated[checked, WrapValidator(as_given)]


if TYPE_CHECKING:
    ModelSection = ModelOptions
    ClassifySection = ClassifyOptions
else:
    ModelSection, ClassifySection = _section(ModelOptions), _section(ClassifyOptions)
