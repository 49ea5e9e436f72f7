"""The main job: documents in, entity columns out.

    spark-entities enrich --config conf/local.yaml --input.path … --output.path …
    spark-submit … jobs/enrich.py --config conf/local.yaml --input.path … --output.path …

Must not import: torch, transformers. `enrich` only plans, and runs on Spark Connect.
Exit status: 0 done; 1 failed, previous output intact; 2 refused before work.
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # run as a file, whose folder must not hide packages named as rooms of ours
    here = Path(__file__).resolve().parent
    sys.path = [path for path in sys.path if Path(path).resolve() != here]
    if here.name == "jobs" and (here.parent / "spark_entities").is_dir():  # a checkout
        sys.path.append(str(here.parent))

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from functools import reduce
from operator import add

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from spark_entities.jobs.command import run_program
from spark_entities.jobs.config import EnrichConfig, read_config
from spark_entities.jobs.enrichment.audit import audit
from spark_entities.jobs.enrichment.incremental import for_each_new_batch
from spark_entities.jobs.enrichment.metrics import Metrics, Summary, read_metrics, warn_unlike
from spark_entities.jobs.enrichment.plan import plan
from spark_entities.jobs.enrichment.prepare import Prepared, hold, prepare
from spark_entities.jobs.enrichment.set_up import check_model, check_table
from spark_entities.jobs.enrichment.skip_existing import drop_existing
from spark_entities.jobs.output.mentions import check_parts
from spark_entities.jobs.output.publish import read_output, stage
from spark_entities.jobs.output.run_folders import RunFolders
from spark_entities.jobs.output.run_record import RunRecord, new_run_id
from spark_entities.jobs.report.content import read_content, read_errors
from spark_entities.jobs.report.page import make_page, page_path, save_page
from spark_entities.jobs.report.terminal import print_documents, print_nothing_new, print_summary
from spark_entities.jobs.spark.phases import begin_phases, end_phases, phase
from spark_entities.jobs.spark.progress import show_progress
from spark_entities.jobs.tables.columns import without
from spark_entities.jobs.tables.counting import count_documents
from spark_entities.jobs.tables.reading import choose_rows
from spark_entities.jobs.tables.spreading import spread
from spark_entities.udfs.arguments import check_type

log = logging.getLogger("spark_entities.enrich")

_PROGRAM = "spark-entities enrich"


def enrich(df: DataFrame, config: EnrichConfig) -> DataFrame:
    """Plan the enrichment of a table: columns of the input, then the entity columns. Nothing runs.

    Of `config.input`, it heeds what says which columns and rows of a table are meant.

    Raises:
        ConfigError: if a column is missing, of another type, or already there.
        ModelLoadError: if the checkpoint cannot be trusted.

    """
    check_type("config", config, EnrichConfig)
    checkpoint = check_model(config)
    check_table(df.schema, config, checkpoint)
    rows = choose_rows(df, config.input)
    return plan(rows, config, checkpoint, config.run.id or new_run_id())


def run(spark: SparkSession, config: EnrichConfig) -> Summary:
    """Read, enrich, publish, and say what came of it.

    Raises:
        ConfigError, ModelLoadError: refused before any work.
        PublishError: the result is not whole; the previous output stays.

    """
    return carry_out(prepare(spark, config, program=_PROGRAM))


def carry_out(prepared: Prepared) -> Summary:
    """Publish what a run was prepared for, and say what came of it."""
    config, documents, run_id = prepared.config, prepared.documents, prepared.run_id
    for finding in prepared.warnings:
        print(f"warning: {finding}", file=sys.stderr)
    with hold(prepared) as held:
        if config.run.mode == "incremental":
            return _summarise(prepared, _publish_new(held), None)
        if config.run.skip_existing and isinstance(held.output, RunFolders):
            documents = drop_existing(documents, config.input, held.output, held.settings)
        metrics = _publish(held, documents, run_id)
    return _summarise(prepared, metrics, run_id)


def _publish_new(held: Prepared) -> Metrics:
    """Publish what is new in the input, batch by batch; return what all of them gave and cost."""
    observed: list[Metrics] = []

    def publish_batch(batch: DataFrame, run_id: str) -> None:
        if not held.output.has(run_id):
            observed.append(_publish(held, batch, run_id, is_first=not observed))

    for_each_new_batch(held.documents, held.config.input, held.output, held.settings, publish_batch)
    return reduce(add, observed, read_metrics({}, held.kept_groups))


def _publish(
    held: Prepared, documents: DataFrame, run_id: str, *, is_first: bool = True
) -> Metrics:
    """Enrich documents and publish the result; return what it gave and cost."""
    config, checkpoint = held.config, held.checkpoint
    documents = choose_rows(documents, config.input)
    check_parts(documents, config.output.partition_by)
    entered, classified = Observation(), Observation()
    counted = documents.observe(entered, F.count(F.lit(1)).alias("documents"))
    spread_out = spread(counted, config.input)
    result = plan(spread_out, config, checkpoint, run_id, classified)
    phase(f"Loading {config.model.name}", then="Classifying", total=count_documents(documents))
    began = time.monotonic()
    with stage(result, held.output, run_id) as staged:
        metrics = replace(
            read_metrics(classified.get, held.kept_groups),
            start_seconds=began - held.started if is_first else 0.0,
            work_seconds=time.monotonic() - began,
        )
        warn_unlike(metrics.devices)
        phase("Checking")
        num_written = staged.documents.count()
        audit(entered.get["documents"], num_written, metrics.failed, config)
        errors = read_errors(staged.documents, held.columns.texts) if metrics.failed else ()
        record = staged.complete(held.record(run_id, metrics, dict(errors)))
        _put_apart(held, staged.documents, record)
        page = _make_page(held, staged.documents, _summarise(held, metrics, run_id), record)
        phase(f"Publishing {run_id}")
        staged.put_in_place(record, page if config.report.path is None else None)
    if page is not None and config.report.path is not None:
        save_page(config.report.path, run_id, page)
    return metrics


def _put_apart(held: Prepared, written: DataFrame, record: RunRecord) -> None:
    """Publish the rows that failed, where that is wanted; without their text unless it is, too."""
    quarantine, run_id = held.quarantine, record.run
    if quarantine is None:
        return
    failed = written.where(held.columns.failed())
    if not held.config.errors.quarantine_text:
        failed = failed.select(*without(failed.schema, held.config.input.texts))
    failed = failed.withColumn(held.columns.run, F.lit(run_id))
    with stage(failed, quarantine, run_id) as staged:
        complete = staged.complete(replace(record, failures_of=held.output.path))
        if quarantine.has(run_id):  # by a try that was not published
            quarantine.take_back(run_id)
        staged.put_in_place(complete)


def _summarise(prepared: Prepared, metrics: Metrics, run_id: str | None) -> Summary:
    """Sum up a run, or several where there is no id."""
    return Summary(
        **{each.name: getattr(metrics, each.name) for each in fields(metrics)},
        run_id=run_id,
        result=prepared.output.describe(run_id),
        page=_find_page(prepared, run_id) if run_id is not None else None,
    )


def _find_page(prepared: Prepared, run_id: str) -> str | None:
    """Find the page about a run; none where it has no place, or could not be made or written."""
    if (folder := prepared.config.report.path) is not None:
        page = page_path(folder, run_id)
        return page if Path(page).exists() else None
    place = prepared.output.page(run_id)
    return place if place is not None and prepared.output.files.exists(place) else None


def _make_page(
    prepared: Prepared, written: DataFrame, summary: Summary, record: RunRecord
) -> str | None:
    """Make the page about a run; none where there is no place for it, or where that fails."""
    config = prepared.config
    if config.report.path is None and prepared.output.page(record.run) is None:
        return None
    try:
        content = read_content(written, config, prepared.columns)
        before = prepared.output.last_record()
        groups = prepared.checkpoint.scheme.group_of
        return make_page(summary, record, before, config, content, groups)
    except Exception as error:  # a page is worth no run
        log.warning("No report could be made of the run (%s).", type(error).__name__)
        return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job from a command line; returns the exit status."""
    return run_program(lambda: _main(sys.argv[1:] if arguments is None else arguments))


def _main(arguments: Sequence[str]) -> None:
    config = read_config(arguments, program=_PROGRAM)
    begin_phases()
    prepared = prepare(None, config, program=_PROGRAM)
    with show_progress(prepared.spark):
        summary = carry_out(prepared)
    end_phases()
    if not summary.documents and (config.run.mode == "incremental" or config.run.skip_existing):
        last = prepared.output.last_record(but=summary.run_id)
        print_nothing_new(last.run if last else None)
        return
    with _warning_of("documents"):
        _show_documents(prepared, summary)
    with _warning_of("summary"):
        print_summary(summary)


def _show_documents(prepared: Prepared, summary: Summary) -> None:
    """Print as many documents of a run as are wanted."""
    config, columns = prepared.config, prepared.columns
    if not config.run.show_documents:
        return
    documents = read_output(prepared.spark, config.output, prepared.planned.schema)
    if summary.run_id is not None:
        documents = documents.where(F.col(columns.run) == summary.run_id)
    print_documents(documents, columns.texts, config.run.show_documents)


@contextmanager
def _warning_of(what: str) -> Iterator[None]:
    """Warn of what cannot be shown of a run: it is published, and another try would double it."""
    try:
        yield
    except Exception as error:
        log.warning("The %s of the run could not be shown (%s).", what, type(error).__name__)


if __name__ == "__main__":
    sys.exit(main())
