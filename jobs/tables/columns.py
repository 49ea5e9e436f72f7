"""The columns of documents: found by their names, and with room for those of a result beside them.

Must not import: torch, transformers. Runs on Spark Connect.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from spark_entities.jobs.config import InputSection
from spark_entities.udfs.errors import ConfigError

INTERNAL = "_spark_entities_"  # how names begin that no result has


def check_columns(schema: T.StructType, section: InputSection, added: Sequence[str]) -> None:
    """Refuse a table without text columns of strings, or with columns that the job would add.

    Args:
        schema: the table's.
        section: how it is read; names its columns.
        added: the columns that the job would add.

    Raises:
        ConfigError: naming the column and the ones there are.

    """
    for name in section.texts:
        kind = find_field(schema, name)
        if kind is None:
            check_column(schema, section, section.texts_key, name)
        elif not isinstance(kind, T.StringType):
            raise ConfigError(
                f"{section.texts_key}={name!r} is of type {kind.simpleString()}, not string. "
                f"Choose a column of strings, or cast it first."
            )
    for name in section.columns or ():
        check_column(schema, section, "input.columns", name)
    taken = {name.lower() for name in added}
    clashes = [name for name in carried_columns(schema, section) if name.lower() in taken]
    clashes += [name for name in schema.names if name.lower().startswith(INTERNAL)]
    if clashes:
        raise ConfigError(
            f"the input already has the columns {', '.join(clashes)}, which this job adds. "
            f"Rename or drop them first, or set output.prefix."
        )


def check_column(schema: T.StructType, section: InputSection, key: str, name: str | None) -> None:
    """Refuse a column that is not there, by the key that names it.

    The columns there are are told, unless their names are read from files as texts are: without the
    header that was promised, they would be those of a document.
    """
    if name in schema.names:
        return
    there, options = ", ".join(schema.names), {key.lower(): key for key in section.options}
    if not there:
        raise ConfigError(
            f"{key}={name!r} is not a column of the input, which has none: its files are empty. "
            f"Give files with records."
        )
    if names_are_data(section):
        there = (
            f"{len(schema.names)}, whose names are not told: if the files lack the header of "
            f"input.options.{options['header']}, they are a document's words"
        )
    raise ConfigError(
        f"{key}={name!r} is not a column of the input. Its columns: {there}. Set {key} to one of "
        f"them."
    )


def find_field(schema: T.StructType, name: str) -> T.DataType | None:
    """Return the type of a column, or of a field of columns that are structs, by its name."""
    parts = [name] if name in schema.names else name.split(".")
    kind: T.DataType = schema
    for part in parts:
        if not isinstance(kind, T.StructType) or part not in kind.names:
            return None
        kind = kind[part].dataType
    return kind


def field(df: DataFrame, name: str) -> Column:
    """Return a column, or a field of a column that is a struct, by its name."""
    return F.col(quoted(name) if name in df.columns else quoted_path(name))


def carried_columns(schema: T.StructType, section: InputSection) -> list[str]:
    """Name the columns of the input that the result has, in their order."""
    return schema.names if section.columns is None else section.columns


def without(schema: T.StructType, names: Sequence[str]) -> Iterator[Column]:
    """Return the columns of a table without some of them, or without fields of structs."""
    paths = [[name] if name in schema.names else name.split(".") for name in names]
    dropped = _dropped(schema, paths)
    for column in schema.names:
        if [column] in dropped:
            continue
        value, inner = F.col(quoted(column)), (path[1:] for path in dropped if path[0] == column)
        fields = [".".join(map(quoted, path)) for path in inner]
        yield value.dropFields(*fields).alias(column) if fields else value


def _dropped(struct: T.StructType, paths: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return what is dropped with some fields, however deep: a struct goes with its last field."""
    dropped: list[list[str]] = []
    for each in struct.fields:
        below = [path[1:] for path in paths if path[0] == each.name]
        if below and all(below) and isinstance(each.dataType, T.StructType):
            inner = _dropped(each.dataType, below)
            is_left = any([name] not in inner for name in each.dataType.names)
            dropped += [[each.name, *path] for path in inner] if is_left else [[each.name]]
        elif below:
            dropped.append([each.name])
    return dropped


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


def quoted_path(name: str) -> str:
    """Quote each part of the name of a table, or of a field.

    >>> quoted_path("news.mentions")
    '`news`.`mentions`'
    """
    return ".".join(map(quoted, name.split(".")))
