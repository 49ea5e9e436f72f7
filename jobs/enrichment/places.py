"""Where a run reads and where it writes: no two of these places may lie in one another.

Enters: what a configuration names. Leaves: nothing, or the reason why a place cannot be written to.
Must not import: torch, transformers. Needs classic Spark.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pyspark.sql import DataFrame, SparkSession

from spark_entities.jobs.config import JDBC, InputSection
from spark_entities.jobs.output.base import Output
from spark_entities.jobs.output.filesystem import LOCAL, FileSystem
from spark_entities.udfs.errors import ConfigError

_SIGNS = re.compile(r"[*?\[\]{}\\]")  # of Hadoop's patterns


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A folder or file, or all of which the names match a pattern; with all that lies in it."""

    key: str  # that names it
    value: str  # as it is configured
    path: str  # with its scheme, links resolved
    is_pattern: bool = False  # by Hadoop's signs *?[]{}


def check_apart(spark: SparkSession, read: Sequence[Place], written: Sequence[Place]) -> None:
    """Refuse places of which one lies in, over or upon another, unless both are only read.

    Raises:
        ConfigError: naming both.

    """
    for number, place in enumerate(written):
        for other in (*read, *written[:number]):
            if place.key != other.key and _overlap(spark, place, other):
                raise ConfigError(
                    f"{place.key}={place.value!r} and {other.key}={other.value!r} lie in one "
                    f"another (at {max(place.path, other.path, key=len)}). Choose another "
                    f"{place.key}, outside of what else is read or written."
                )


def _overlap(spark: SparkSession, one: Place, other: Place) -> bool:
    """Tell whether one of two places is in the other: their paths agree as far as both go."""

    def agree(name: str, beside: str) -> bool:
        return (
            name == beside
            or (one.is_pattern and _matches(spark, name, beside))
            or (other.is_pattern and _matches(spark, beside, name))
        )

    return all(map(agree, one.path.split("/"), other.path.split("/")))


def _matches(spark: SparkSession, pattern: str, name: str) -> bool:
    if not _SIGNS.search(pattern):
        return False
    jvm = spark._jvm.org.apache.hadoop.fs  # type: ignore[union-attr]
    return bool(jvm.GlobPattern(pattern).matches(name))


def places_of_input(documents: DataFrame, section: InputSection) -> Iterator[Place]:
    """Find all places that an input is read from, now or when files are added to it."""
    spark = documents.sparkSession
    if not section.path:
        yield from _places_of_table(spark, "input.table", section.table)
        for folder in sorted({file.rpartition("/")[0] for file in documents.inputFiles()}):
            path = unquote(folder).replace("file:///", f"{LOCAL}/", 1)
            yield Place(key="input.table", value=str(section.table), path=path)
        return
    files, hadoop = FileSystem(spark, section.path), spark._jvm.org.apache.hadoop.fs  # type: ignore[union-attr]
    for pattern in map(files.qualify, hadoop.GlobExpander.expand(section.path)):
        for path in (pattern, *_resolve(pattern, files)):
            yield Place(key="input.path", value=section.path, path=path, is_pattern=True)
    for path in files.glob(section.path):
        for root in (path, *_follow(path)):
            yield Place(key="input.path", value=section.path, path=root)


def _resolve(pattern: str, files: FileSystem) -> Iterator[str]:
    """Resolve the links among what the folders of a local pattern match; what is below may come."""
    parts = pattern.split("/") if pattern.startswith(LOCAL) else []
    for depth, part in enumerate(parts[:-1], start=1):
        if _SIGNS.search(part):
            for found in files.glob("/".join(parts[:depth])):
                yield "/".join([_SIGNS.sub(r"\\\g<0>", found), *parts[depth:]])


def _follow(path: str) -> Iterator[str]:
    """Find where links lead that are in a local folder, or in one they lead to: Spark follows."""
    left = [Path(path.removeprefix(LOCAL))] if path.startswith(f"{LOCAL}/") else []  # no root
    followed = {*left}
    while left:
        for folder, names, files in os.walk(left.pop()):
            links = (Path(folder) / name for name in (*names, *files))
            led = {link.resolve() for link in links if link.is_symlink()} - followed
            yield from (f"{LOCAL}{path}" for path in led)
            left += [path for path in led if path.is_dir()]
            followed |= led


def _places_of_table(spark: SparkSession, key: str, name: str | None) -> Iterator[Place]:
    """Return the place of a table of the catalog, wherever its files are."""
    if name is not None:
        parts = name.lower().split(".")
        above = [spark.catalog.currentCatalog(), spark.catalog.currentDatabase()]
        path = ".".join([*above[: 3 - len(parts)], *parts])
        yield Place(key=key, value=name, path=f"table:{path}")


def places_of_output(key: str, output: Output) -> Iterator[Place]:
    """Find the places that an output takes: its own, and what runs keep beside it.

    Raises:
        ConfigError: if it is the root of a file system, which has nothing beside it.

    """
    section = output.section
    if section.format != JDBC:
        yield from _places_of_table(output.spark, "output.table", section.table)
    if not section.path:
        key = "output.staging_path"
    value = section.path or str(section.staging_path)
    if not urlsplit(output.path).path:
        raise ConfigError(
            f"{key}={value!r} is the root of a file system ({output.path}/). Choose a folder in it."
        )
    yield Place(key=key, value=value, path=output.path)
    yield Place(key=key, value=value, path=output.beside("*"), is_pattern=True)


def local_place(key: str, value: str, folder: Path | str) -> Place:
    """Return the place of a folder of the driver's own disk."""
    return Place(key=key, value=value, path=(LOCAL + os.path.realpath(folder)).rstrip("/"))


def check_folder(key: str, folder: str | None) -> None:
    """Refuse a folder of the driver's own disk that cannot be written to, or made."""
    if folder is None:
        return
    place = Path(folder).absolute()
    there = next(each for each in (place, *place.parents) if os.access(each, os.F_OK))
    fault = 0 if os.access(there, os.W_OK | os.X_OK) else errno.EACCES
    fault = fault if there.is_dir() else errno.ENOTDIR
    fault = errno.EROFS if there.parts[:2] in (("/", "proc"), ("/", "sys")) else fault
    if fault:
        raise ConfigError(
            f"{key}={folder!r} cannot be written to ({os.strerror(fault)}). Give another folder."
        )
