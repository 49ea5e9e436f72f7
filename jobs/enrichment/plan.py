"""The plan of an enrichment: every input column, then the entity columns. Nothing runs.

Enters: a table that was checked. Leaves: a DataFrame, and what is to be observed of it.
Must not import: torch, transformers. Runs on Spark Connect.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as F

from spark_entities.jobs.config import EnrichConfig
from spark_entities.jobs.enrichment.metrics import observe_metrics
from spark_entities.jobs.tables.columns import (
    ENTITIES,
    ENTITY_ERROR,
    ENTITY_MODEL,
    ENTITY_RUN,
    INTERNAL,
    group_columns,
    quoted,
)
from spark_entities.udfs.checkpoint import Checkpoint
from spark_entities.udfs.core.labels import LabelScheme
from spark_entities.udfs.entities_udf import make_entities_udf

_RESULT = f"{INTERNAL}result"


def plan(
    df: DataFrame,
    config: EnrichConfig,
    checkpoint: Checkpoint,
    run_id: str,
    observation: Observation | None = None,
) -> DataFrame:
    """Plan the enrichment of a table that was checked; an observation gets the metrics."""
    scheme, by_label = checkpoint.scheme, config.classify.aggregation_strategy == "none"
    columns = group_columns(scheme)
    mentions = {group: _mentions(group, scheme, by_label=by_label) for group in scheme.groups}
    entities_of = make_entities_udf(checkpoint.pin(), config.classify)
    result = df.withColumn(_RESULT, entities_of(F.col(quoted(config.input.text_column))))
    if observation is not None:
        counts = {group: F.array_size(found) for group, found in mentions.items()}
        result = result.observe(observation, *observe_metrics(_RESULT, counts))
    return result.select(
        *(F.col(quoted(name)) for name in df.columns),
        F.col(f"{_RESULT}.entities").alias(ENTITIES),
        *(_surface_forms(mentions[group]).alias(name) for name, group in columns.items()),
        F.col(f"{_RESULT}.error").alias(ENTITY_ERROR),
        F.lit(checkpoint.identify()).alias(ENTITY_MODEL),
        F.lit(run_id).alias(ENTITY_RUN),
    )


def _mentions(group: str, scheme: LabelScheme, *, by_label: bool) -> Column:
    """Choose the entities of a group; with strategy `none`, they carry labels in its place."""
    field, names = "entity_group", [group]
    if by_label:
        index = scheme.groups.index(group)
        labels = zip(scheme.labels, scheme.group_ids, strict=True)
        field, names = "entity", [label for label, of in labels if of == index]
    return F.filter(F.col(f"{_RESULT}.entities"), lambda entity: entity[field].isin(names))


def _surface_forms(mentions: Column) -> Column:
    """List the distinct words of mentions, in order of the first."""
    return F.array_distinct(F.transform(mentions, lambda entity: entity["word"]))
