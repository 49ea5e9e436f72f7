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
    sys.path[:] = [path for path in sys.path if path != str(here)]
    if here.name == "jobs" and (here.parent / "spark_entities").is_dir():  # a checkout
        sys.path.append(str(here.parent))

import logging
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from spark_entities.jobs.config import EnrichConfig, OutputSection, load_config
from spark_entities.jobs.enrichment.incremental import for_each_new_batch
from spark_entities.jobs.enrichment.skip_existing import digest_settings, drop_existing
from spark_entities.jobs.output.mentions import check_layout
from spark_entities.jobs.output.publish import open_output, publish, read_output
from spark_entities.jobs.output.run_folders import RUN_COLUMN, Output, RunFolders
from spark_entities.jobs.report.content import read_findings
from spark_entities.jobs.report.page import check_folder, make_page, page_path, save_page
from spark_entities.jobs.report.terminal import (
    Summary,
    count_lengths,
    length_names,
    print_documents,
    print_summary,
)
from spark_entities.jobs.spark.preflight import check_settings, own_properties, session_properties
from spark_entities.jobs.spark.progress import show_progress
from spark_entities.jobs.spark.session import check_publishes, make_session
from spark_entities.jobs.tables.reading import check_columns, quoted, read_input, spread
from spark_entities.udfs.checkpoint import Checkpoint, find_checkpoint
from spark_entities.udfs.core.labels import LabelScheme
from spark_entities.udfs.entities_udf import make_entities_udf
from spark_entities.udfs.errors import ConfigError, EnrichmentError, ModelLoadError, PublishError

log = logging.getLogger("spark_entities.enrich")

_RESULT = "_spark_entities_result"
_SPEED_ALONE = {"max_padded_tokens", "buffer_chars"}  # settings that change no result
_COUNTED = ("documents", "failed")
_TOTALS = {
    "num_tokens": "num_tokens",
    "num_windows": "num_windows",
    "num_model_tokens": "metrics.num_model_tokens",
    "num_padded_tokens": "metrics.num_padded_tokens",
    "num_model_loads": "metrics.num_model_loads",
    "load_seconds": "metrics.load_seconds",
    "forward_seconds": "metrics.forward_seconds",
}


def run(spark: SparkSession, config: EnrichConfig) -> Summary:
    """Read, enrich, publish, and say what came of it.

    Raises:
        ConfigError, ModelLoadError: refused before any work.
        PublishError: the result is not whole; the previous output stays.

    """
    started = time.monotonic()
    check_publishes(config.spark)
    checkpoint = check_model(config)
    for finding in check_settings(session_properties(spark), checkpoint, config.spark.allow):
        print(f"warning: {finding}", file=sys.stderr)
    run_id = config.run.id or new_run_id()
    documents = read_input(spark, config.input)
    check_table(documents, config, checkpoint)
    check_folder(config.report.path)

    def hold(section: OutputSection) -> Output:
        return held.enter_context(open_output(spark, section, documents, config.input, run_id))

    with ExitStack() as held:
        output, quarantine = hold(config.output), None
        if config.errors.quarantine_path is not None:
            quarantine = hold(OutputSection(path=config.errors.quarantine_path, mode="append"))
        job = _Job(config=config, checkpoint=checkpoint, output=output, quarantine=quarantine)
        if config.run.mode == "incremental":
            metrics = job.publish_new(documents)
        else:
            check_run_id(output, run_id)
            metrics = job.publish(job.leave_out_existing(documents), run_id)
    published = None if config.run.mode == "incremental" else run_id
    return job.summarise(metrics, published, time.monotonic() - started)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """A checked configuration, and the outputs that are held for it."""

    config: EnrichConfig
    checkpoint: Checkpoint
    output: Output
    quarantine: Output | None

    @property
    def fingerprint(self) -> dict[str, object]:
        """What results depend on: the model, how it is used, and which column is the text."""
        return {
            "model": self.checkpoint.identity,
            "model.sha256": self.checkpoint.sha256,
            "model.precision": self.config.model.precision,
            **{
                f"classify.{key}": value
                for key, value in asdict(self.config.classify).items()
                if key not in _SPEED_ALONE
            },
            "input.text_column": self.config.input.text_column,
        }

    def leave_out_existing(self, documents: DataFrame) -> DataFrame:
        """Leave out what the output has already, where that is wanted."""
        if not (self.config.run.skip_existing and isinstance(self.output, RunFolders)):
            return documents
        settings = digest_settings(self.fingerprint)
        return drop_existing(documents, self.config.input, self.output, settings)

    def publish(self, documents: DataFrame, run_id: str) -> dict[str, Any]:
        """Enrich documents and publish the result; return what was observed."""
        config, started = self.config, time.monotonic()
        entered, classified = Observation(), Observation()
        counted = documents.observe(entered, F.count(F.lit(1)).alias("documents"))
        spread_out = spread(counted, config.input.text_column, config.input.min_partitions)
        result = plan(spread_out, config, self.checkpoint, run_id, classified)
        page: str | None = None

        def audit(written: DataFrame) -> dict[str, object]:
            num_written, num_failed = written.count(), classified.get["failed"]
            check_rows(entered.get["documents"], num_written)
            check_failures(num_failed, num_written, config.errors.allowed_fraction)
            record = self.make_record(run_id, num_written, num_failed)
            if self.quarantine is not None and not self.quarantine.has(run_id):
                failed = failed_rows(written, config).withColumn(RUN_COLUMN, F.lit(run_id))
                publish(failed, self.quarantine, run_id, lambda _: record)
            return record

        def tell(written: DataFrame, record: Mapping[str, object]) -> str | None:
            nonlocal page
            summary = self.summarise(classified.get, run_id, time.monotonic() - started)
            page = self.make_page(written, summary, record)
            return page if config.report.path is None else None

        publish(result, self.output, run_id, audit, tell)
        if page is not None and config.report.path is not None:
            save_page(config.report.path, run_id, page)
        return classified.get

    def summarise(self, metrics: Mapping[str, Any], run_id: str | None, seconds: float) -> Summary:
        """Sum up a run, or several where there is no id."""
        return Summary.from_metrics(
            metrics,
            groups=self.checkpoint.scheme.groups,
            result=self.output.describe(run_id),
            run_id=run_id,
            seconds=seconds,
            page=None if run_id is None else self.page(run_id),
        )

    def page(self, run_id: str) -> str | None:
        """Return where the page about a run is, if there is a place for it."""
        folder = self.config.report.path
        return self.output.page(run_id) if folder is None else page_path(folder, run_id)

    def make_page(
        self, written: DataFrame, summary: Summary, record: Mapping[str, object]
    ) -> str | None:
        """Make the page about a run; none where there is no place for it, or where that fails."""
        config, scheme = self.config, self.checkpoint.scheme
        if summary.page is None:
            return None
        try:
            findings = read_findings(written, config, group_columns(scheme), failed=summary.failed)
            return make_page(summary, record, config, findings, scheme.group_of)
        except Exception as error:  # a page is worth no run
            log.warning("No report could be made of the run (%s).", type(error).__name__)
            return None

    def make_record(self, run_id: str, documents: int, failed: int) -> dict[str, object]:
        """Tell, for those who find the result later, how it was made."""
        return {
            "run": run_id,
            "ended": datetime.now(UTC).isoformat(timespec="seconds"),
            "documents": documents,
            "failed": failed,
            "model": self.checkpoint.identity,
            "model_sha256": self.checkpoint.sha256,
            "precision": self.config.model.precision,
            "classify": asdict(self.config.classify),
            "settings": digest_settings(self.fingerprint),
        }

    def publish_new(self, documents: DataFrame) -> dict[str, Any]:
        """Publish what is new in the input, batch by batch; return what was observed in all."""
        observed: list[dict[str, Any]] = []

        def publish_batch(batch: DataFrame, run_id: str) -> None:
            if not self.output.has(run_id):
                observed.append(self.publish(batch, run_id))

        for_each_new_batch(
            documents,
            self.config.input,
            self.output.files,
            self.output.beside("incremental"),
            {**self.fingerprint, "input's columns": documents.schema.simpleString()},
            publish_batch,
        )
        return add_metrics(observed, self.checkpoint.scheme)


def add_metrics(observed: Sequence[Mapping[str, Any]], scheme: LabelScheme) -> dict[str, Any]:
    """Add up what was observed in each batch."""
    names = [
        *_COUNTED,
        *_TOTALS,
        *length_names(),
        *(f"mentions_{index}" for index in range(len(scheme.groups))),
    ]
    total: dict[str, Any] = {name: sum(each[name] or 0 for each in observed) for name in names}
    total["devices"] = sorted({device for each in observed for device in each["devices"]})
    return total


def failed_rows(written: DataFrame, config: EnrichConfig) -> DataFrame:
    """Return the rows that have an error, without their text unless it is wanted."""
    rows = written.where(F.col("entity_error").isNotNull())
    if config.errors.quarantine_text:
        return rows
    return rows.drop(F.col(quoted(config.input.text_column)))


def enrich(df: DataFrame, config: EnrichConfig) -> DataFrame:
    """Plan the enrichment of a table: every input column, then the entity columns. Nothing runs.

    Raises:
        ConfigError: if a column is missing, of another type, or already there.
        ModelLoadError: if the checkpoint cannot be trusted.

    """
    checkpoint = check_model(config)
    check_table(df, config, checkpoint)
    return plan(df, config, checkpoint, config.run.id or new_run_id())


def plan(
    df: DataFrame,
    config: EnrichConfig,
    checkpoint: Checkpoint,
    run_id: str,
    observation: Observation | None = None,
) -> DataFrame:
    """Plan the enrichment of a table that was checked; an observation gets the metrics."""
    scheme = checkpoint.scheme
    groups = group_columns(scheme)
    entities_of = make_entities_udf(checkpoint.worker_options, config.classify)
    result = df.withColumn(_RESULT, entities_of(F.col(quoted(config.input.text_column))))
    mentions = _Mentions(scheme, by_label=config.classify.aggregation_strategy == "none")
    if observation is not None:
        result = result.observe(observation, *_metrics(mentions))
    return result.select(
        *(F.col(quoted(name)) for name in df.columns),
        F.col(f"{_RESULT}.entities").alias("entities"),
        *(mentions.surface_forms(group).alias(name) for name, group in groups.items()),
        F.col(f"{_RESULT}.error").alias("entity_error"),
        F.lit(checkpoint.identity).alias("entity_model"),
        F.lit(run_id).alias(RUN_COLUMN),
    )


def check_table(df: DataFrame, config: EnrichConfig, checkpoint: Checkpoint) -> None:
    """Check that the table has its documents, and no column that the job adds."""
    groups = group_columns(checkpoint.scheme)
    added = ["entities", *groups, "entity_error", "entity_model", RUN_COLUMN]
    check_columns(df, config.input.text_column, added)
    check_layout(df, config)


def check_model(config: EnrichConfig) -> Checkpoint:
    """Find the checkpoint and check that the windows asked for fit it."""
    checkpoint = find_checkpoint(config.model)
    config.classify.window_tokens(checkpoint.capacity)
    return checkpoint


def group_columns(scheme: LabelScheme) -> dict[str, str]:
    """Name the column of each entity group.

    Raises:
        ConfigError: if two groups would share a column.

    >>> group_columns(LabelScheme.from_id2label({0: "O", 1: "B-PER", 2: "B-date of birth"}))
    {'entities_per': 'PER', 'entities_date_of_birth': 'date of birth'}
    """
    columns: dict[str, str] = {}
    for group in scheme.groups:
        name = f"entities_{re.sub(r'[^0-9a-z]+', '_', group.lower()).strip('_')}"
        if name in columns:
            raise ConfigError(
                f"model.name: the labels {columns[name]!r} and {group!r} would share the column "
                f"{name}. Rename one of them in id2label of the checkpoint's config.json."
            )
        columns[name] = group
    return columns


class _Mentions:
    """The entities of one group, as expressions over the result column."""

    def __init__(self, scheme: LabelScheme, *, by_label: bool) -> None:
        self._scheme = scheme
        self._by_label = by_label  # with strategy `none`, elements carry labels, not groups

    def of(self, group: str) -> Column:
        field, names = "entity_group", [group]
        if self._by_label:
            index = self._scheme.groups.index(group)
            labels = zip(self._scheme.labels, self._scheme.group_ids, strict=True)
            field, names = "entity", [label for label, of in labels if of == index]
        return F.filter(F.col(f"{_RESULT}.entities"), lambda e: e[field].isin(names))

    def surface_forms(self, group: str) -> Column:
        """Distinct words of a group, in order of first mention."""
        return F.array_distinct(F.transform(self.of(group), lambda entity: entity["word"]))

    def counts(self) -> list[Column]:
        """Count the mentions of each group, in the scheme's order."""
        return [
            F.sum(F.coalesce(F.array_size(self.of(group)), F.lit(0))).alias(f"mentions_{index}")
            for index, group in enumerate(self._scheme.groups)
        ]


def _metrics(mentions: _Mentions) -> list[Column]:
    return [
        F.count(F.lit(1)).alias("documents"),
        F.count(F.col(f"{_RESULT}.error")).alias("failed"),
        *(F.sum(F.col(f"{_RESULT}.{field}")).alias(name) for name, field in _TOTALS.items()),
        F.array_sort(F.collect_set(f"{_RESULT}.metrics.device")).alias("devices"),
        *count_lengths(F.col(f"{_RESULT}.num_tokens")),
        *mentions.counts(),
    ]


def new_run_id() -> str:
    """Name a run by its time, with a letter first, so that readers take it for a string."""
    return f"run-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def check_run_id(output: Output, run_id: str) -> None:
    """Refuse a run that stands already, before it is made once more."""
    if output.section.mode == "append" and output.has(run_id):
        raise ConfigError(
            f"run.id={run_id!r} stands in the output already. Choose another, or leave it out."
        )


def check_rows(num_read: int, num_written: int) -> None:
    """Refuse a result that lost or doubled rows."""
    if num_read != num_written:
        raise PublishError(
            f"{num_read} documents were read and {num_written} written; they were not published."
        )


def check_failures(num_failed: int, num_documents: int, max_failed_fraction: float) -> None:
    """Refuse a result in which too many documents failed."""
    if num_failed > max_failed_fraction * num_documents:
        raise PublishError(
            f"{num_failed} of {num_documents} documents failed, more than "
            f"errors.max_failed_fraction={max_failed_fraction} allows; they were not published. "
            f"See the executors' logs for the reason, or raise the limit."
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job from a command line; returns the exit status."""
    try:
        config = load_config(sys.argv[1:] if arguments is None else arguments)
        check_publishes(config.spark)
        check_settings(own_properties(config.spark), check_model(config), config.spark.allow)
        spark = make_session(config.spark, "spark-entities enrich")
        with show_progress(spark):
            summary = run(spark, config)
    except (ConfigError, ModelLoadError) as error:
        print(f"refused: {error}", file=sys.stderr)
        return 2
    except (EnrichmentError, PySparkException, Py4JJavaError) as error:
        print(f"failed: {explain(error)}", file=sys.stderr)
        return 1
    if config.run.show_documents:
        documents = read_output(spark, config.output)
        if summary.run_id is not None:
            documents = documents.where(F.col(RUN_COLUMN) == summary.run_id)
        print_documents(documents, config.input.text_column, config.run.show_documents)
    print_summary(summary)
    return 0


def explain(error: Exception) -> str:
    """Say why a run failed; of Spark's errors the kinds only, as their text can quote documents."""
    if isinstance(error, EnrichmentError):
        return str(error)
    kinds = _causes(error) if isinstance(error, Py4JJavaError) else [_condition(error)]
    return (
        f"Spark stopped the run ({', '.join(dict.fromkeys(kinds))}); its result was not published. "
        f"See the executors' logs for the reason."
    )


def _condition(error: Any) -> str:
    """Name an error as Spark does (`DIVIDE_BY_ZERO`), or by its class."""
    return str(getattr(error, "getCondition", lambda: None)() or type(error).__name__)


def _causes(error: Py4JJavaError) -> list[str]:
    """Name the classes of a Java error and of its causes."""
    names, cause = [], error.java_exception
    while cause is not None:
        names.append(str(cause.getClass().getSimpleName()))
        cause = cause.getCause()
    return names


if __name__ == "__main__":
    sys.exit(main())
