"""A plan before a long run: what it will take, by a sample that is classified where it will be.

    spark-entities plan --config conf/local.yaml --input.path … --plan.price_per_hour 0.40

It takes what `enrich` takes, needs no output, and writes nothing; the table is read once to be
counted. Must not import: torch, transformers. Needs classic Spark.
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

from pyspark.sql import DataFrame, SparkSession

from spark_entities.jobs.command import run_program
from spark_entities.jobs.config import PlanConfig, read_config
from spark_entities.jobs.enrichment.estimate import Estimate
from spark_entities.jobs.enrichment.prepare import read_documents
from spark_entities.jobs.enrichment.sampling import measure, survey, warm_up
from spark_entities.jobs.enrichment.set_up import Setup, set_up
from spark_entities.jobs.enrichment.settings import settings_of
from spark_entities.jobs.enrichment.skip_existing import check_existing, drop_existing
from spark_entities.jobs.output.publish import find_output
from spark_entities.jobs.output.run_folders import RunFolders
from spark_entities.jobs.report.terminal import print_estimate
from spark_entities.jobs.spark.phases import begin_phases, end_phases, phase
from spark_entities.jobs.spark.progress import show_progress
from spark_entities.jobs.spark.session import check_sees_tasks
from spark_entities.jobs.tables.reading import check_input, choose_rows
from spark_entities.udfs.errors import ConfigError

_PROGRAM = "spark-entities plan"


def plan(spark: SparkSession | None, config: PlanConfig) -> Estimate:
    """Reckon what a run takes that is configured so.

    Args:
        spark: the session; one is started when absent.
        config: of the run, and what is wished of it.

    Raises:
        ConfigError, ModelLoadError: if something stands against the run, or there is no text.

    """
    check_sees_tasks(config.spark)
    check_input(config.input)
    ready = set_up(spark, config, program=_PROGRAM)
    with show_progress(ready.spark):
        documents = _left_to_do(ready, read_documents(ready))
        phase(f"Loading {config.model.name}")
        cluster, idle_seconds = warm_up(ready)
        phase("Counting documents")
        table = survey(documents, config.input)
        if not table.chars:
            but = " that the output lacks" if config.run.skip_existing else ""
            raise ConfigError(
                f"{config.input.texts_key}={config.input.texts} has no text{but}: there is nothing "
                f"to plan. Choose another column, or another input.where."
            )
        phase("Classifying a sample")
        sample = measure(ready, documents, table.documents, config.plan.sample, idle_seconds)
    return Estimate(table=table, sample=sample, cluster=cluster)


def _left_to_do(ready: Setup, documents: DataFrame) -> DataFrame:
    """Leave out the documents that a run would pass over."""
    config = ready.config
    if config.run.skip_existing and config.output.path is not None:
        settings = settings_of(config, ready.checkpoint)
        output = find_output(ready.spark, config.output, ready.columns, config.input.id_column)
        if isinstance(output, RunFolders):
            check_existing(documents, config.input, output, settings)
            documents = drop_existing(documents, config.input, output, settings)
    return choose_rows(documents, config.input)


def main(arguments: Sequence[str] | None = None) -> int:
    """Plan from a command line; returns the exit status."""
    return run_program(lambda: _main(sys.argv[1:] if arguments is None else arguments))


def _main(arguments: Sequence[str]) -> None:
    config = read_config(arguments, PlanConfig, program=_PROGRAM)
    begin_phases()
    estimate = plan(None, config)
    end_phases()
    print_estimate(estimate, config)


if __name__ == "__main__":
    sys.exit(main())
