"""A sample of a table classified on the real set-up, to tell what the whole of it will take.

Enters: a set-up, the documents. Leaves: counts and measurements; nothing is written, no document
comes to the driver. Must not import: torch, transformers. Needs classic Spark.
"""

from __future__ import annotations

import math
import time

from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F

from spark_entities.jobs.config import InputSection
from spark_entities.jobs.enrichment.estimate import Cluster, Measured, Table
from spark_entities.jobs.enrichment.metrics import Metrics, read_metrics
from spark_entities.jobs.enrichment.plan import plan
from spark_entities.jobs.enrichment.set_up import Setup
from spark_entities.jobs.spark.workers import count_executors, task_slots
from spark_entities.jobs.tables.columns import field, quoted
from spark_entities.jobs.tables.spreading import plan_spread
from spark_entities.udfs.positions import untried
from spark_entities.udfs.sizes import sizes_for

_ENOUGH_SECONDS = 5.0
_SEED = 0
_RUN = "plan"  # the name of a run that is none
_TEXT = "Emma woont in Londen."  # by which models are loaded


def survey(documents: DataFrame, section: InputSection) -> Table:
    """Count a table in one pass: documents, characters, and texts that are not the same."""
    texts = F.explode(F.array(*(field(documents, name) for name in section.texts)))
    num_rows, num_texts, chars, distinct = (
        documents.select(texts.alias("text"))
        .agg(
            F.count(F.lit(1)),
            F.count("text"),  # nulls are no texts, and no copies of one
            F.coalesce(F.sum(F.char_length("text")), F.lit(0)),
            F.approx_count_distinct("text", 0.02),
        )
        .collect()[0]
    )
    found, wanted = plan_spread(documents, section)
    return Table(
        documents=num_rows // len(section.texts),
        texts=num_texts,
        chars=chars,
        distinct=min(distinct, num_texts),
        partitions=None if math.isinf(found) else max(int(found), wanted),
        is_spread=found < wanted,
    )


def warm_up(ready: Setup) -> tuple[Cluster, float]:
    """Load the model on each slot; returns the cluster, and the seconds of a job without work."""
    spark, config, slots = ready.spark, ready.config, task_slots(ready.spark)
    names = config.input.texts
    tiny = spark.range(0, slots, 1, slots).select(*(F.lit(_TEXT).alias(name) for name in names))
    began = time.monotonic()
    metrics, load_seconds = _classify(ready, tiny)
    _, idle_seconds = _classify(ready, tiny)
    kind = metrics.devices[0][0].partition(":")[0]
    packs = kind != "cpu" and untried(ready.checkpoint.read_type()) is None
    cluster = Cluster(
        executors=count_executors(spark),
        slots=slots,
        cores_per_slot=int(spark.conf.get("spark.task.cpus", "1") or 1),
        has_gpus=kind != "cpu",
        buffer_chars=config.classify.buffer_chars or sizes_for(kind, packs=packs).buffer_chars,
        start_seconds=began - ready.started + load_seconds,
    )
    return cluster, idle_seconds


def measure(
    ready: Setup, documents: DataFrame, num_documents: int, size: int, idle_seconds: float
) -> Measured:
    """Classify a sample, and larger ones until it has taken long enough to go by.

    Args:
        ready: where models are loaded.
        documents: of which the sample is drawn, by a seed; equal ones are taken once.
        num_documents: how many there are.
        size: how many to begin with.
        idle_seconds: what a job takes beside its work.

    """
    names, slots = ready.config.input.texts, task_slots(ready.spark)
    texts = documents.select(*(field(documents, name).alias(name) for name in names))
    lengths = [F.sum(F.char_length(quoted(name))) for name in names]
    measured, fraction = Measured(), 0.0
    while fraction < 1 and not (measured.chars and measured.seconds >= _ENOUGH_SECONDS):
        fraction = min(1.0, size / num_documents)
        sample = texts.sample(fraction, _SEED).dropDuplicates().repartition(slots).cache()
        num_chars = sum(filter(None, sample.agg(*lengths).collect()[0]))  # fills the cache
        metrics, seconds = _classify(ready, sample)
        sample.unpersist()
        measured += Measured(
            documents=metrics.documents,
            chars=num_chars,
            num_tokens=metrics.num_tokens,
            num_model_tokens=metrics.num_model_tokens,
            seconds=max(seconds - idle_seconds, seconds / 10),
            forward_seconds=metrics.forward_seconds,
        )
        size = math.ceil(size * max(2, 2 * _ENOUGH_SECONDS / seconds))
    return measured


def _classify(ready: Setup, texts: DataFrame) -> tuple[Metrics, float]:
    """Classify texts for nothing but what it costs, and the seconds that it takes."""
    section = ready.config.input.model_copy(update={"columns": None})
    config = ready.config.model_copy(update={"input": section})
    observation, began = Observation(), time.monotonic()
    classified = plan(texts, config, ready.checkpoint, _RUN, observation)
    classified.write.format("noop").mode("overwrite").save()
    return read_metrics(observation.get, ready.kept_groups), time.monotonic() - began
