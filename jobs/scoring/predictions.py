"""The tags that a model gives to words, by the UDF that runs in production.

Enters: texts whose words are known, a model. Leaves: tags of their words, by text.
Must not import: torch, transformers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pyspark.sql import SparkSession

from spark_entities.jobs.scoring.conll import JoinedWords
from spark_entities.jobs.scoring.tags import tag_words
from spark_entities.udfs.entities_udf import fastest_kind, make_entities_udf
from spark_entities.udfs.errors import InferenceError
from spark_entities.udfs.options import ClassifyOptions, ModelOptions


def predict_tags(
    spark: SparkSession,
    texts: Sequence[JoinedWords],
    model: ModelOptions,
    classify: ClassifyOptions,
    *,
    plain: bool = False,
) -> list[list[str]]:
    """Run the UDF over texts and return the tags of their words, by text: IOB2, or plain.

    Raises:
        InferenceError: if a text failed.

    """
    rows = [(index, text.text) for index, text in enumerate(texts)]
    documents = spark.createDataFrame(rows, "id int, text string")
    entities_of = make_entities_udf(model, classify, fastest_kind(spark))  # as the job does
    result = documents.withColumn("result", entities_of("text"))
    found = {row["id"]: row for row in result.select("id", "result.*").collect()}
    errors = Counter(row["error"] for row in found.values() if row["error"] is not None)
    if errors:
        reasons = "; ".join(f"{count} times {reason}" for reason, count in errors.most_common(3))
        raise InferenceError(f"{errors.total()} of {len(texts)} texts failed: {reasons}.")
    tags = []
    for index, text in enumerate(texts):
        entities = found[index]["entities"]
        mentions = ((each["start"], each["end"], each["entity_group"]) for each in entities)
        tags.append(tag_words(text, mentions, plain=plain))
    return tags
