"""The UDF: the engine as a function of text columns.

Must not import: torch, transformers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any, Literal, cast

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.functions import pandas_udf
from pyspark.sql.pandas.types import from_arrow_type

from spark_entities.udfs.arguments import check_type, read_options
from spark_entities.udfs.checkpoint import find_checkpoint
from spark_entities.udfs.errors import ConfigError
from spark_entities.udfs.options import ClassifyOptions, ModelOptions, RedactOptions
from spark_entities.udfs.registry import REGISTERED
from spark_entities.udfs.worker import classify_batches, metered_type

Kind = Literal["pandas", "arrow"]
Classify = Callable[[Iterable[Sequence[str | None]]], Iterator[pa.StructArray]]


def make_entities_udf(
    model_options: ModelOptions | str | None = None,
    classify_options: ClassifyOptions | None = None,
    kind: Kind = "pandas",
    *,
    redact: RedactOptions | None = None,
) -> Callable[..., Column]:
    """Make the UDF that classifies a text column, or several at once.

    Its struct has `entities`, `error`, `num_tokens`, `num_windows`, and `metrics`: padded tokens,
    model loads, seconds, on the first row of each buffer and null on the others, made to be summed;
    with some options, what `result_type` names beside these. Of several columns, the result is an
    array of such structs, in their order; their texts share buffers, and one model.

    A column that holds no strings is refused by Spark when it is used, and cast by nobody. Bytes
    that are not UTF-8 are read as U+FFFD: Arrow's own error would print the document.

    The UDF is non-deterministic, so that Spark never evaluates it twice. Put it in a column first
    and take fields from that: `df.withColumn("r", udf("text")).select("r.entities")`.

    Args:
        model_options: which checkpoint, by its options or its name; the bundled one when absent.
        classify_options: how to classify.
        kind: `pandas`, or `arrow` on Spark 4.1 and later, which does without pandas' objects.
        redact: which mentions to take out of the texts.

    Raises:
        ConfigError: if an argument is of another type, or this Spark has no UDF of that kind.
        ModelLoadError: if a model of a registry (`models:/…`), which is looked up now, is missing.

    """
    model, options = read_options(model_options, classify_options)
    if model.name.startswith(REGISTERED):  # an alias may move between two workers
        model = find_checkpoint(model).pin()
    if redact is not None:
        check_type("redact", redact, RedactOptions)
    make = {"pandas": _make_pandas, "arrow": _make_arrow}.get(kind)
    if make is None or (kind == "arrow" and not hasattr(F, "arrow_udf")):
        raise ConfigError(
            f"kind={kind!r} is not one of pandas, arrow (arrow from Spark 4.1). Use kind='pandas'."
        )

    def entities(*texts: Column | str) -> Column:
        classify = partial(
            classify_batches,
            model_options=model,
            classify_options=options,
            redact=redact,
            texts_per_row=len(texts),
        )
        udf = make(classify, metered_type(options, redact), len(texts)).asNondeterministic()
        return cast("Column", udf(*map(_valid_text, texts)))

    return entities


def fastest_kind(spark: SparkSession) -> Kind:
    """Choose `arrow` where both this PySpark and the Spark that it speaks to have it.

    On a GPU it was a third faster (docs/gpu.md), and on two cores a tenth (docs/performance.md).
    """
    major, minor = (int(part) for part in spark.version.split(".")[:2])
    return "arrow" if (major, minor) >= (4, 1) and hasattr(F, "arrow_udf") else "pandas"


def _valid_text(text: Column | str) -> Column:
    """Have Spark refuse what is no string, which it would cast, and mend what is not UTF-8."""
    column = F.col(text) if isinstance(text, str) else text
    return F.make_valid_utf8(F.collate(column, "UTF8_BINARY"))


def _make_pandas(classify: Classify, row_type: pa.StructType, num_columns: int) -> Any:
    def pandas_entities(batches: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        for rows in classify(batch.tolist() for batch in batches):
            yield pa.RecordBatch.from_struct_array(rows).to_pandas()

    def pandas_entities_by_row(batches: Iterator[tuple[pd.Series, ...]]) -> Iterator[pd.Series]:
        for rows in classify([*chain(*zip(*batch, strict=True))] for batch in batches):
            yield _by_row(rows, num_columns).to_pandas()

    if num_columns == 1:
        return pandas_udf(pandas_entities, from_arrow_type(row_type))  # type: ignore[call-overload]
    return pandas_udf(pandas_entities_by_row, from_arrow_type(pa.list_(row_type)))  # type: ignore[call-overload]


def _make_arrow(classify: Classify, row_type: pa.StructType, num_columns: int) -> Any:
    def arrow_entities(batches: Iterator[pa.Array]) -> Iterator[pa.Array]:
        yield from classify(batch.to_pylist() for batch in batches)

    def arrow_entities_by_row(batches: Iterator[tuple[pa.Array, ...]]) -> Iterator[pa.Array]:
        texts = ([each.to_pylist() for each in batch] for batch in batches)
        for rows in classify([*chain(*zip(*batch, strict=True))] for batch in texts):
            yield _by_row(rows, num_columns)

    arrow_udf: Any = F.arrow_udf  # type: ignore[attr-defined]  # from Spark 4.1
    if num_columns == 1:
        return arrow_udf(arrow_entities, from_arrow_type(row_type))
    return arrow_udf(arrow_entities_by_row, from_arrow_type(pa.list_(row_type)))


def _by_row(results: pa.StructArray, num_columns: int) -> pa.ListArray:
    """Put the results of a row's texts together: (n * num_columns,) gives (n,)."""
    splits = np.arange(0, len(results) + 1, num_columns, dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(splits), results)
