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
    sys.path = [path for path in sys.path if Path(path).resolve() != here]
    if here.name == "jobs" and (here.parent / "spark_entities").is_dir():  # a checkout
        sys.path.append(str(here.parent))

from collections.abc import Sequence

from pyspark.sql import SparkSession

from spark_entities.jobs.command import run_program
from spark_entities.jobs.config import EvaluateConfig, read_config
from spark_entities.jobs.enrichment.places import check_folder
from spark_entities.jobs.enrichment.set_up import check_setup
from spark_entities.jobs.scoring.evaluation import Evaluation, print_evaluation, write_json
from spark_entities.jobs.scoring.gold import Gold, check_types, load_gold
from spark_entities.jobs.scoring.predictions import predict_tags
from spark_entities.jobs.scoring.scores import score
from spark_entities.jobs.spark.phases import begin_phases, end_phases, phase
from spark_entities.jobs.spark.progress import show_progress
from spark_entities.jobs.spark.session import make_session
from spark_entities.udfs.checkpoint import Checkpoint

_PROGRAM = "spark-entities evaluate"


def evaluate(
    spark: SparkSession, gold: Gold, checkpoint: Checkpoint, config: EvaluateConfig
) -> Evaluation:
    """Classify the texts of the gold and score what was found.

    Raises:
        InferenceError: if a text failed.

    """
    phase(f"Loading {config.model.name}", then="Classifying", total=len(gold.texts))
    model = checkpoint.pin()
    with show_progress(spark):
        tags = predict_tags(spark, gold.texts, model, config.classify, plain=gold.plain)
    phase("Scoring")
    scores = score(gold.tags, gold.cut(tags), plain=gold.plain)
    return Evaluation(config=config, checkpoint=checkpoint, gold=gold, scores=scores)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job from a command line; returns the exit status."""
    return run_program(lambda: _main(sys.argv[1:] if arguments is None else arguments))


def _main(arguments: Sequence[str]) -> None:
    config = read_config(arguments, EvaluateConfig, program=_PROGRAM)
    if config.output.path is not None:
        check_folder("output.path", str(config.output.path.parent))
    begin_phases()
    checkpoint = check_setup(config)
    gold = load_gold(config.gold)
    check_types(gold, checkpoint)
    spark = make_session(config.spark, _PROGRAM)
    evaluation = evaluate(spark, gold, checkpoint, config)
    if config.output.path is not None:
        write_json(evaluation, config.output.path)
    end_phases()
    print_evaluation(evaluation)


if __name__ == "__main__":
    sys.exit(main())
