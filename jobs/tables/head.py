"""The first documents of local files, read in no time, without Spark.

Enters: how an input is read. Leaves: some texts, where Spark would read the same; or nothing.
Must not import: torch, transformers. Needs no Java.

Nothing is refused here: what is odd is left to Spark, and refused in the same words as ever.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from spark_entities.jobs.config import PARQUET, InputSection, SparkSection
from spark_entities.jobs.tables.footers import find_files, is_plain

_HEAD_BYTES = 1 << 20
_ODD_IN_CSV = re.compile(rb'\\|""')  # which Spark unquotes in its own way

Row = tuple[str | None, ...]  # of each column of texts, one


class _OddError(Exception):
    """Spark might read this otherwise."""


def read_head(
    section: InputSection, spark: SparkSection, count: int, added: Collection[str]
) -> list[Row] | None:
    """Read the texts of the first documents of local files, and no more than their beginning.

    Args:
        section: which input.
        spark: the session that would read it.
        count: how many documents.
        added: the columns that a result would have, and the input must not.

    """
    options = {key.lower(): value.lower() for key, value in section.options.items()}
    plain_options = {"header": "true"} if section.format == "csv" else {}
    if section.where is not None or options != plain_options or not is_plain(spark):
        return None
    rows: list[Row] = []
    try:
        for file in find_files(section.path or ""):
            table = _read(file, section, count)
            _check_names(table.column_names, section, added)
            texts = (_texts(table, name).to_pylist() for name in section.texts)
            rows += zip(*texts, strict=True)
            if len(rows) >= count:
                break
    except (_OddError, pa.ArrowException, OSError, UnicodeError):
        return None
    return rows[:count] or None


def _read(file: Path, section: InputSection, count: int) -> pa.Table:
    if section.format == PARQUET:
        return _read_parquet(file, count)
    lines = _read_lines(file)
    if section.format == "json":
        return pyarrow.json.read_json(BytesIO(b"\n".join(lines[:count])))
    if section.format == "csv":
        return _read_csv(lines[: count + 1], section.texts)
    if section.format == "text":
        return pa.table({section.texts[0]: [line.decode() for line in lines[:count]]})
    raise _OddError


def _read_parquet(file: Path, count: int) -> pa.Table:
    with pq.ParquetFile(file, buffer_size=_HEAD_BYTES) as parquet:
        first = next(parquet.iter_batches(batch_size=count), None)
        return pa.Table.from_batches([] if first is None else [first], parquet.schema_arrow)


def _read_lines(file: Path) -> list[bytes]:
    """Read the whole lines that a file begins with; its name says how it is compressed."""
    with pa.input_stream(str(file), compression="detect") as stream:
        head = stream.read(_HEAD_BYTES)
    lines: list[bytes] = head.splitlines()
    return lines[:-1] if len(head) == _HEAD_BYTES else lines


def _read_csv(lines: Sequence[bytes], texts: Sequence[str]) -> pa.Table:
    if any(line.count(b'"') % 2 or _ODD_IN_CSV.search(line) for line in lines):
        raise _OddError
    types = dict.fromkeys(texts, pa.string())
    convert = pyarrow.csv.ConvertOptions(
        column_types=types, null_values=[""], strings_can_be_null=True
    )
    return pyarrow.csv.read_csv(BytesIO(b"\n".join(lines)), convert_options=convert)


def _check_names(names: Collection[str], section: InputSection, added: Collection[str]) -> None:
    """Leave to Spark what lacks a column, or has one of a result."""
    carried = names if section.columns is None else section.columns
    taken = {name.lower() for name in added}
    if not {*carried} <= {*names} or any(name.lower() in taken for name in carried):
        raise _OddError


def _texts(table: pa.Table, name: str) -> pa.ChunkedArray:
    """Return a column, or a field of a column that is a struct, which holds strings."""
    root, *path = [name] if name in table.column_names else name.split(".")
    if root not in table.column_names:
        raise _OddError
    column = pc.struct_field(table[root], path) if path else table[root]
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise _OddError
    return column
