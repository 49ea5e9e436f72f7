"""The plan of an enrichment: columns of the input, then the entity columns. Nothing runs.

Enters: a table that was checked. Leaves: a DataFrame, and what is to be observed of it.
Must not import: torch, transformers. Runs on Spark Connect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as F
from pyspark.sql import types as T

from spark_entities.jobs.config import EnrichConfig
from spark_entities.jobs.enrichment.metrics import observe_metrics
from spark_entities.jobs.tables.columns import INTERNAL, carried_columns, field, without
from spark_entities.jobs.tables.result_columns import ResultColumns, TextColumn
from spark_entities.udfs.checkpoint import Checkpoint
from spark_entities.udfs.core.labels import LabelScheme
from spark_entities.udfs.entities_udf import fastest_kind, make_entities_udf

_RESULT = f"{INTERNAL}result"


def plan(
    df: DataFrame,
    config: EnrichConfig,
    checkpoint: Checkpoint,
    run_id: str,
    observation: Observation | None = None,
) -> DataFrame:
    """Plan the enrichment of a table that was checked; an observation gets the metrics."""
    scheme, section = checkpoint.scheme, config.input
    columns = ResultColumns.of(config, scheme.groups)
    entities_of = make_entities_udf(
        checkpoint.pin(),
        config.classify,
        fastest_kind(df.sparkSession),
        redact=config.redaction(),
    )
    texts = (field(df, name) for name in section.texts)
    result = df.withColumn(_RESULT, entities_of(*texts))
    rows = [F.col(_RESULT)]
    if columns.several:
        rows = [F.col(_RESULT)[index] for index in range(len(columns.texts))]
    by_label = config.classify.aggregation_strategy == "none"
    groups = config.classify.kept(scheme.groups)
    mentions = [_mentions(row, groups, scheme, by_label=by_label) for row in rows]
    if observation is not None:
        metrics = observe_metrics(rows, mentions, chooses=config.classify.chooses)
        result = result.observe(observation, *metrics)
    dropped = section.texts if config.output.drop_text else []
    carried = T.StructType([df.schema[name] for name in carried_columns(df.schema, section)])
    results = zip(columns.texts, rows, mentions, strict=True)
    return result.select(
        *without(carried, dropped),
        *(column for each in results for column in _columns(*each)),
        F.lit(checkpoint.identify()).alias(columns.model),
        F.lit(run_id).alias(columns.run),
    )


def _columns(text: TextColumn, row: Column, mentions: Mapping[str, Column]) -> Iterator[Column]:
    """Make the columns of one text, `text.added`."""
    yield row["entities"].alias(text.entities)
    for name, group in text.by_group.items():
        yield _surface_forms(mentions[group]).alias(name)
    yield row["error"].alias(text.error)
    if text.redacted is not None:
        yield row["redacted"].alias(text.redacted)
        yield row["redactions"].alias(text.redactions)


def _mentions(
    row: Column, groups: Sequence[str], scheme: LabelScheme, *, by_label: bool
) -> dict[str, Column]:
    """Choose the entities of each group; with strategy `none`, they carry labels in its place."""
    key = "entity" if by_label else "entity_group"

    def mentions_of(group: str) -> Column:
        names = scheme.labels_of(group) if by_label else [group]
        return F.filter(row["entities"], lambda entity: entity[key].isin(names))

    return {group: mentions_of(group) for group in groups}


def _surface_forms(mentions: Column) -> Column:
    """List the distinct words of mentions, in order of the first."""
    return F.array_distinct(F.transform(mentions, lambda entity: entity["word"]))
