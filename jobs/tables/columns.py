"""The columns of documents and of results: their names, and whether an input has room for them.

Must not import: torch, transformers. Runs on Spark Connect.
"""

from __future__ import annotations

import re

from pyspark.sql import DataFrame
from pyspark.sql import types as T

from spark_entities.jobs.config import InputSection
from spark_entities.udfs.core.labels import LabelScheme
from spark_entities.udfs.errors import ConfigError

ENTITIES = "entities"
ENTITY_ERROR = "entity_error"
ENTITY_MODEL = "entity_model"
ENTITY_RUN = "entity_run"
INTERNAL = "_spark_entities_"  # how names begin that no result has


def group_columns(scheme: LabelScheme) -> dict[str, str]:
    """Name the column of each entity group.

    Raises:
        ConfigError: if two groups would share a column.

    >>> group_columns(LabelScheme.from_id2label({0: "O", 1: "B-PER", 2: "B-date of birth"}))
    {'entities_per': 'PER', 'entities_date_of_birth': 'date of birth'}
    """
    columns: dict[str, str] = {}
    for group in scheme.groups:
        name = f"entities_{re.sub(r'[^0-9a-z]+', '_', group.lower()).strip('_')}"
        if name in columns:
            raise ConfigError(
                f"model.name: the labels {columns[name]!r} and {group!r} would share the column "
                f"{name}. Rename one of them in id2label of the checkpoint's config.json."
            )
        columns[name] = group
    return columns


def added_columns(scheme: LabelScheme) -> list[str]:
    """Name the columns that a result has beside those of the input, in their order."""
    return [ENTITIES, *group_columns(scheme), ENTITY_ERROR, ENTITY_MODEL, ENTITY_RUN]


def check_columns(df: DataFrame, section: InputSection, scheme: LabelScheme) -> None:
    """Refuse a table without a text column of strings, or with columns that the job would add.

    Raises:
        ConfigError: naming the column and the ones there are.

    """
    text_column = section.text_column
    fields = {field.name: field.dataType for field in df.schema.fields}
    check_column(df, section, "input.text_column", text_column)
    if not isinstance(fields[text_column], T.StringType):
        raise ConfigError(
            f"input.text_column={text_column!r} is of type {fields[text_column].simpleString()}, "
            f"not string. Choose a column of strings, or cast it first."
        )
    added = {name.lower() for name in added_columns(scheme)}
    lowered = {name: name.lower() for name in fields}
    clashes = [name for name, low in lowered.items() if low in added or low.startswith(INTERNAL)]
    if clashes:
        raise ConfigError(
            f"the input already has the columns {', '.join(clashes)}, which this job adds. "
            f"Rename or drop them first."
        )


def check_column(df: DataFrame, section: InputSection, key: str, name: str | None) -> None:
    """Refuse a column that is not there, by the key that names it.

    The columns there are are told, unless their names are read from files as texts are: without the
    header that was promised, they would be those of a document.
    """
    if name in df.columns:
        return
    there, options = ", ".join(df.columns), {key.lower(): key for key in section.options}
    if not there:
        raise ConfigError(
            f"{key}={name!r} is not a column of the input, which has none: its files are empty. "
            f"Give files with records."
        )
    if names_are_data(section):
        there = (
            f"{len(df.columns)}, whose names are not told: if the files lack the header of "
            f"input.options.{options['header']}, they are a document's words"
        )
    raise ConfigError(
        f"{key}={name!r} is not a column of the input. Its columns: {there}. Set {key} to one of "
        f"them."
    )


def names_are_data(section: InputSection) -> bool:
    """Tell whether names of columns are read from where texts are, too."""
    given = {key.lower(): value.lower() for key, value in section.options.items()}
    return section.format == "csv" and given.get("header", "false") != "false"


def quoted(column: str) -> str:
    """Quote a column's name, so that Spark takes none of its characters for syntax.

    >>> quoted("a.b")
    '`a.b`'
    """
    return "`" + column.replace("`", "``") + "`"


def quoted_table(name: str) -> str:
    """Quote each part of a table's name.

    >>> quoted_table("news.mentions")
    '`news`.`mentions`'
    """
    return ".".join(map(quoted, name.split(".")))
