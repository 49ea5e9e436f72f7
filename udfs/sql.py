"""The UDF as a function of SQL: `SELECT entities(body) FROM articles`.

Enters: a session, classic or of Spark Connect. Leaves: a function in it, for this session alone.
Must not import: torch, transformers.

It is a UDF of one batch of Arrow's at a time, not of an iterator of them: Spark gives all such UDFs
of a select to one Python worker, so that a model is loaded once for several columns.
"""

from __future__ import annotations

import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_type

from spark_entities.udfs.arguments import read_options
from spark_entities.udfs.checkpoint import find_checkpoint
from spark_entities.udfs.core.results import result_type
from spark_entities.udfs.errors import ConfigError
from spark_entities.udfs.options import ClassifyOptions, ModelOptions
from spark_entities.udfs.worker import classify_batches

_STRINGS = "string", "large_string", "string_view"  # of Arrow


def register(
    spark: SparkSession,
    name: str = "entities",
    model_options: ModelOptions | str | None = None,
    classify_options: ClassifyOptions | None = None,
) -> None:
    """Give the SQL of a session a function that classifies a column of strings.

    Its struct has `entities`, `error`, `num_tokens` and `num_windows`, as that of
    `make_entities_udf`, without metrics. It is non-deterministic, so that Spark evaluates it once
    wherever it is written. Write it once, in an inner select, and take fields of it outside:
    `SELECT e.entities, e.error FROM (SELECT entities(body) AS e FROM articles)`.

    The model is found now, and workers load the very weights that were found. A column of another
    type than strings ends the query, with a `ConfigError` of the worker; none is cast.

    Args:
        spark: the session.
        name: of the function.
        model_options: which checkpoint, by its options or its name; the bundled one when absent.
        classify_options: how to classify.

    Raises:
        ConfigError: if an argument is of another type, if the stride does not fit the model's
            window, or if this Spark is older than 4.1.
        ModelLoadError: if the checkpoint is missing, incomplete or inconsistent.

    """
    model, options = read_options(model_options, classify_options)
    if not hasattr(spark, "udf"):  # sessions of classic Spark and of Connect are of two classes
        raise ConfigError(f"spark is of type {type(spark).__name__}. Give a SparkSession.")
    if not isinstance(name, str) or not name.isidentifier():
        raise ConfigError(f"name={name!r} is no name of a function. Give one such as 'entities'.")
    if not hasattr(F, "arrow_udf"):
        raise ConfigError(
            "register() needs Spark 4.1 or later. Before it, use make_entities_udf() on DataFrames."
        )
    checkpoint = find_checkpoint(model)
    options.check_window(checkpoint.read_capacity())
    options.check_groups(checkpoint.scheme.groups)
    pinned = checkpoint.pin()
    row_type = result_type(options)

    def sql_entities(texts: pa.Array) -> pa.Array:
        classified = classify_batches([read_strings(texts, name)], pinned, options)
        rows = [
            pa.StructArray.from_arrays(each.flatten()[:-1], fields=list(row_type))
            for each in classified
        ]
        return pa.chunked_array(rows, row_type).combine_chunks()

    udf = F.arrow_udf(sql_entities, from_arrow_type(row_type))
    spark.udf.register(name, udf.asNondeterministic())


def read_strings(texts: pa.Array, name: str) -> list[str | None]:
    r"""Read a column of strings, with U+FFFD for bytes that are not UTF-8.

    Arrow would quote the document in its own error. `name` is the function's, for ours.

    Raises:
        ConfigError: if the column is of another type.

    >>> read_strings(pa.array([b"Emma \xff", None]).view(pa.string()), "entities")
    ['Emma �', None]
    """
    if str(texts.type) not in _STRINGS:
        raise ConfigError(
            f"{name}() takes a column of strings, not {from_arrow_type(texts.type).simpleString()}."
        )
    as_bytes = texts.cast(pa.large_binary()).to_pylist()
    return [each if each is None else each.decode("utf-8", "replace") for each in as_bytes]
