"""What the page about a run tells of a written result, beside the counts of the run.

Enters: what was written. Leaves: reasons of errors; names and documents where they are asked for.
Must not import: torch, transformers. Runs on Spark Connect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as attribute

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from spark_entities.jobs.config import EnrichConfig
from spark_entities.jobs.report.marks import Sample, places
from spark_entities.jobs.tables.columns import field, quoted
from spark_entities.jobs.tables.result_columns import ResultColumns, TextColumn

_REASONS = 20
_SAMPLE_CHARS = 1000

Counts = Sequence[tuple[str, int]]  # most frequent first


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What stands in a result. Names and samples are personal data, and there only if asked for.

    All numbers count documents.
    """

    names: Mapping[str, Counts] = attribute(default_factory=dict)  # by group
    samples: Sequence[Sample] = ()


def read_content(written: DataFrame, config: EnrichConfig, columns: ResultColumns) -> Content:
    """Read from a result what the configuration wants to be told.

    Args:
        written: the result.
        config: with the numbers of names and of samples.
        columns: in which the entities are.

    """
    wanted, id_column = config.report, config.input.id_column
    return Content(
        names=read_names(written, columns.by_group, wanted.names) if wanted.names else {},
        samples=read_samples(written, columns.texts, id_column, wanted.samples)
        if wanted.samples
        else (),
    )


def read_errors(written: DataFrame, texts: Sequence[TextColumn]) -> Counts:
    """Count the documents of each reason why there are no entities."""
    reasons = F.array_compact(F.array_distinct(F.array(*(quoted(text.error) for text in texts))))
    counts = written.select(F.explode(reasons).alias("reason")).groupBy("reason").count()
    rows = counts.orderBy(F.desc("count"), "reason").limit(_REASONS).collect()
    return [(row["reason"], row["count"]) for row in rows]


def read_names(written: DataFrame, columns: Mapping[str, str], limit: int) -> dict[str, Counts]:
    """Find the names that stand in most documents.

    Args:
        written: the result.
        columns: the group of each column of names.
        limit: how many names of each group.

    """
    mentions = [_grouped(F.col(quoted(column)), group) for column, group in columns.items()]
    of_document = F.array_distinct(F.concat(*mentions))
    counts = written.select(F.inline(of_document)).groupBy("group", "name").count()
    place = F.row_number().over(Window.partitionBy("group").orderBy(F.desc("count"), "name"))
    rows = counts.withColumn("place", place).where(F.col("place") <= limit).collect()
    found: dict[str, list[tuple[str, int]]] = {}
    for row in sorted(rows, key=lambda row: row["place"]):
        found.setdefault(row["group"], []).append((row["name"], row["count"]))
    return dict(found)


def _grouped(words: Column, group: str) -> Column:
    """Put its group beside each word; nothing where there are no words."""
    empty = F.array().cast("array<string>")
    return F.transform(
        F.coalesce(words, empty),
        lambda word: F.struct(F.lit(group).alias("group"), word.alias("name")),
    )


def read_samples(
    written: DataFrame, texts: Sequence[TextColumn], id_column: str | None, limit: int
) -> list[Sample]:
    """Read the beginnings of some documents in which something was found."""
    identifier = F.lit(None) if id_column is None else F.col(quoted(id_column))
    beginnings = F.array(
        *(
            F.struct(
                identifier.cast("string").alias("id"),
                F.substring(field(written, text.name), 1, _SAMPLE_CHARS + 1).alias("text"),
                F.col(quoted(text.entities)).alias("entities"),
            )
            for text in texts
        )
    )
    found = written.select(F.inline(beginnings)).where(F.array_size("entities") > 0)
    return [_sample(row) for row in found.take(limit)]


def _sample(row: Row) -> Sample:
    """Cut a document where it gets long, but through no entity."""
    text, entities = row["text"], row["entities"]
    end = min(len(text), _SAMPLE_CHARS)
    end = min([end, *(e["start"] for e in entities if e["start"] < end < e["end"])])
    inside = [e for e in entities if e["end"] <= end]
    return Sample(id=row["id"], text=text[:end], entities=places(inside), cut=end < len(text))
