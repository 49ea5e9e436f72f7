"""The UDF: the engine as a function from a text column to a struct column.

Must not import: torch, transformers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, cast

import pandas as pd
import pyarrow as pa
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.pandas.functions import pandas_udf
from pyspark.sql.pandas.types import from_arrow_type

from spark_entities.udfs.errors import ConfigError
from spark_entities.udfs.options import ClassifyOptions, ModelOptions
from spark_entities.udfs.worker import classify_batches, metered_type

Kind = Literal["pandas", "arrow"]


def make_entities_udf(
    model_options: ModelOptions | None = None,
    classify_options: ClassifyOptions | None = None,
    kind: Kind = "pandas",
) -> Callable[[Column | str], Column]:
    """Make the UDF that classifies a text column.

    Its struct has `entities`, `error`, `num_tokens`, `num_windows`, and `metrics`: padded tokens,
    model loads, seconds, on the first row of each buffer and null on the others, made to be summed.

    Bytes that are not UTF-8 are read as U+FFFD: Arrow's own error would print the document.

    The UDF is non-deterministic, so that Spark never evaluates it twice. Put it in a column first
    and take fields from that: `df.withColumn("r", udf("text")).select("r.entities")`.

    Args:
        model_options: which checkpoint; the bundled one when absent.
        classify_options: how to classify.
        kind: `pandas`, or `arrow` on Spark 4.1 and later, which does without pandas' objects.

    Raises:
        ConfigError: if this Spark has no UDF of that kind.

    """
    model = model_options or ModelOptions()
    options = classify_options or ClassifyOptions()
    return_type = from_arrow_type(metered_type(options.aggregation_strategy))

    def pandas_entities(batches: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        texts = (batch.tolist() for batch in batches)
        for rows in classify_batches(texts, model, options):
            yield pa.RecordBatch.from_struct_array(rows).to_pandas()

    def arrow_entities(batches: Iterator[pa.Array]) -> Iterator[pa.Array]:
        texts = (batch.to_pylist() for batch in batches)
        yield from classify_batches(texts, model, options)

    if kind == "pandas":
        udf = pandas_udf(pandas_entities, return_type)  # type: ignore[call-overload]
    elif kind == "arrow" and hasattr(F, "arrow_udf"):
        udf = F.arrow_udf(arrow_entities, return_type)
    else:
        raise ConfigError(
            f"kind={kind!r} is not one of pandas, arrow (arrow from Spark 4.1). Use kind='pandas'."
        )
    classify = cast("Callable[[Column], Column]", udf.asNondeterministic())

    def entities(text: Column | str) -> Column:
        return classify(F.make_valid_utf8(text))

    return entities
