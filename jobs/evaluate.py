"""Score a model on a CoNLL file, through the UDF that runs in production.

    spark-entities evaluate --gold.path FILE --model.name DIR --output.path scores.json

Enters: a CoNLL file, a model. Leaves: a table of scores, and the same figures as JSON. What each
figure means is in docs/evaluation.md. Must not import: torch, transformers.
Exit status: 0 done; 1 failed; 2 refused before work.
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # run as a file, whose folder must not hide packages named as rooms of ours
    here = Path(__file__).resolve().parent
    sys.path[:] = [path for path in sys.path if path != str(here)]
    if here.name == "jobs" and (here.parent / "spark_entities").is_dir():  # a checkout
        sys.path.append(str(here.parent))

from collections import Counter
from collections.abc import Sequence

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_entities.jobs.config import EvaluateConfig, read_config
from spark_entities.jobs.enrich import explain
from spark_entities.jobs.scoring.conll import Text
from spark_entities.jobs.scoring.gold import Gold, load_gold
from spark_entities.jobs.scoring.report import Evaluation, print_evaluation, write_json
from spark_entities.jobs.scoring.scores import score
from spark_entities.jobs.scoring.tags import tag_words
from spark_entities.jobs.spark.preflight import check_settings, own_properties
from spark_entities.jobs.spark.session import make_session
from spark_entities.udfs.checkpoint import Checkpoint, find_checkpoint
from spark_entities.udfs.entities_udf import make_entities_udf
from spark_entities.udfs.errors import ConfigError, EnrichmentError, InferenceError, ModelLoadError
from spark_entities.udfs.options import ClassifyOptions, ModelOptions


def evaluate(
    spark: SparkSession, gold: Gold, checkpoint: Checkpoint, config: EvaluateConfig
) -> Evaluation:
    """Classify the texts of the gold and score what was found.

    Raises:
        InferenceError: if a text failed.

    """
    tags = predict_tags(
        spark, gold.texts, checkpoint.worker_options, config.classify, plain=gold.plain
    )
    scores = score(gold.tags, gold.cut(tags), plain=gold.plain)
    return Evaluation(config=config, checkpoint=checkpoint, gold=gold, scores=scores)


def predict_tags(
    spark: SparkSession,
    texts: Sequence[Text],
    model: ModelOptions,
    classify: ClassifyOptions,
    *,
    plain: bool = False,
) -> list[list[str]]:
    """Run the UDF over texts and return the tags of their words, by text.

    Raises:
        InferenceError: if a text failed.

    """
    rows = [(index, text.text) for index, text in enumerate(texts)]
    documents = spark.createDataFrame(rows, "id int, text string")
    result = documents.withColumn("result", make_entities_udf(model, classify)(F.col("text")))
    found = {row["id"]: row for row in result.select("id", "result.*").collect()}
    errors = Counter(row["error"] for row in found.values() if row["error"] is not None)
    if errors:
        reasons = "; ".join(f"{count} times {reason}" for reason, count in errors.most_common(3))
        raise InferenceError(f"{errors.total()} of {len(texts)} texts failed: {reasons}.")
    return [
        tag_words(text, found[index]["entities"], plain=plain) for index, text in enumerate(texts)
    ]


def check_types(gold: Gold, checkpoint: Checkpoint) -> None:
    """Refuse a gold that no prediction can match. Plain tags are not quoted: they may be words.

    Raises:
        ConfigError: if the gold and the model have no type in common.

    """
    groups = checkpoint.scheme.groups
    if not set(groups) & set(gold.types):
        given = f"{len(gold.types)} plain tags" if gold.plain else ", ".join(gold.types)
        raise ConfigError(
            f"gold.path: {gold.path.name} has {given}, and the model {', '.join(groups)}: none in "
            f"common. Set gold.tag_column to the column of the tags, or gold.rename, such as "
            f"person={groups[0]}."
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job from a command line; returns the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        config = read_config(EvaluateConfig, given, program="spark-entities evaluate")
        checkpoint = find_checkpoint(config.model)
        config.classify.window_tokens(checkpoint.capacity)
        check_settings(own_properties(config.spark), checkpoint, config.spark.allow)
        gold = load_gold(config.gold)
        check_types(gold, checkpoint)
        spark = make_session(config.spark, "spark-entities evaluate")
        evaluation = evaluate(spark, gold, checkpoint, config)
        if config.output.path is not None:
            write_json(evaluation, config.output.path)
    except (ConfigError, ModelLoadError) as error:
        print(f"refused: {error}", file=sys.stderr)
        return 2
    except (EnrichmentError, PySparkException, Py4JJavaError) as error:
        print(f"failed: {explain(error)}", file=sys.stderr)
        return 1
    print_evaluation(evaluation)
    return 0


if __name__ == "__main__":
    sys.exit(main())
