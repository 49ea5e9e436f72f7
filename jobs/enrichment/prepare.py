"""Everything that is refused before work is refused here; and what is left is ready to run.

Enters: a configuration. Leaves: a `Prepared` run, or a `ConfigError` or `ModelLoadError` that says
what stands against it. Must not import: torch, transformers.

Nothing is written, locked or mended. `check_outputs` looks at what may change until the outputs are
held, and is called once more then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.utils import is_remote

from spark_entities.jobs.config import PARQUET, EnrichConfig, OutputSection, resolve_secrets
from spark_entities.jobs.enrichment.file_names import check_names
from spark_entities.jobs.enrichment.incremental import check_goes_on, check_grows
from spark_entities.jobs.enrichment.metrics import Metrics
from spark_entities.jobs.enrichment.places import (
    check_apart,
    check_folder,
    local_place,
    places_of_input,
    places_of_output,
)
from spark_entities.jobs.enrichment.plan import plan
from spark_entities.jobs.enrichment.same_columns import check_same_columns
from spark_entities.jobs.enrichment.set_up import Setup, check_table, set_up
from spark_entities.jobs.enrichment.settings import Settings, digest, settings_of
from spark_entities.jobs.enrichment.skip_existing import check_existing
from spark_entities.jobs.output.base import Output
from spark_entities.jobs.output.filesystem import LOCAL
from spark_entities.jobs.output.publish import find_output
from spark_entities.jobs.output.run_folders import RunFolders
from spark_entities.jobs.output.run_record import RunRecord, new_run_id
from spark_entities.jobs.spark.phases import phase
from spark_entities.jobs.spark.progress import show_progress
from spark_entities.jobs.spark.session import check_publishes
from spark_entities.jobs.tables.reading import check_all_read, check_input, choose_rows, read_input
from spark_entities.udfs.errors import ConfigError

_OUTPUT_KEYS = "output.path", "errors.quarantine_path"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared(Setup):
    """A run that nothing stands against."""

    documents: DataFrame
    planned: DataFrame  # what is made of them, of which nothing has run
    run_id: str
    output: Output
    quarantine: RunFolders | None
    settings: Settings  # what its results depend on

    @property
    def outputs(self) -> list[Output]:
        """Where the run writes to."""
        return [self.output, *([self.quarantine] if self.quarantine else [])]

    def is_broken(self) -> bool:
        """Whether an output is looked at no sooner than it is held, since it is mended first."""
        return any(output.is_broken() for output in self.outputs)

    def record(self, run_id: str, metrics: Metrics, errors: Mapping[str, int]) -> RunRecord:
        """Tell, for those who find a result later, how it was made and what it holds."""
        return RunRecord(
            run=run_id,
            ended=datetime.now(UTC).isoformat(timespec="seconds"),
            documents=metrics.documents,
            failed=metrics.failed,
            errors=errors,
            entities=metrics.entities,
            left_out=metrics.num_left_out,
            tokens=metrics.num_tokens,
            seconds=metrics.seconds,
            computed_in=metrics.precisions,
            model=self.checkpoint.identify(),
            model_sha256=self.checkpoint.digest(),
            precision=self.config.model.precision,
            classify=asdict(self.config.classify),
            settings=digest(self.settings),
        )


def prepare(
    spark: SparkSession | None, config: EnrichConfig, *, program: str = "spark-entities"
) -> Prepared:
    """Make sure that a run can begin.

    Args:
        spark: the session; the program's own is started when absent, after all that needs none.
        config: of the run.
        program: names the session.

    Raises:
        ConfigError, ModelLoadError: if anything stands against the run.

    """
    check_publishes(config.spark)
    check_input(config.input)
    resolve_secrets(config.output.options)
    _ = config.output.staged_beside  # refuses one without a place
    check_folder("report.path", config.report.path)
    ready = set_up(spark, config, program=program)
    with show_progress(ready.spark):  # columns of JSON take a pass
        documents = read_documents(ready)
    run_id = config.run.id or new_run_id()
    prepared = Prepared(
        spark=ready.spark,
        config=config,
        checkpoint=ready.checkpoint,
        warnings=ready.warnings,
        started=ready.started,
        documents=documents,
        planned=plan(documents, config, ready.checkpoint, run_id),
        run_id=run_id,
        output=find_output(ready.spark, config.output, ready.columns, config.input.id_column),
        quarantine=_find_quarantine(ready),
        settings=settings_of(config, ready.checkpoint),
    )
    check_places(prepared)
    if not prepared.is_broken():
        check_outputs(prepared)
    return prepared


def read_documents(ready: Setup) -> DataFrame:
    """Read the input, and check that it has its documents, and no column that the job adds."""
    config, by_path = ready.config, bool(ready.config.input.path) and not is_remote()
    phase(f"Reading {config.input.path or config.input.table or 'the database'}")
    if by_path:
        check_names(ready.spark, config.input)
    documents = read_input(ready.spark, config.input)
    check_table(documents.schema, config, ready.checkpoint)
    choose_rows(documents, config.input)  # refuses a condition that is none
    if by_path:
        check_all_read(documents, config.input)
    if by_path and config.run.mode == "incremental":
        check_grows(ready.spark, config.input)
    return documents


def _find_quarantine(ready: Setup) -> RunFolders | None:
    """Find where failures are written apart."""
    path = ready.config.errors.quarantine_path
    if path is None:
        return None
    found = find_output(ready.spark, OutputSection(path=path, mode="append"), ready.columns)
    assert isinstance(found, RunFolders)
    return found


def check_places(prepared: Prepared) -> None:
    """Refuse places of the run that lie in one another."""
    config, checkpoint = prepared.config, prepared.checkpoint
    read = [
        local_place("model.name", config.model.name, checkpoint.folder),
        *places_of_input(prepared.documents, config.input),
    ]
    written = [
        place
        for key, output in zip(_OUTPUT_KEYS, prepared.outputs, strict=False)
        for place in places_of_output(key, output)
    ]
    if config.report.path is not None:
        written.append(local_place("report.path", config.report.path, config.report.path))
    check_apart(prepared.spark, read, written)


def check_outputs(prepared: Prepared) -> None:
    """Refuse what stands in the outputs already, where the configuration does not allow it."""
    config, output = prepared.config, prepared.output
    for key, each in zip(_OUTPUT_KEYS, prepared.outputs, strict=False):
        if each.path.startswith(LOCAL):
            check_folder(key, each.path.removeprefix(LOCAL))
        each.check()
    if config.run.mode == "incremental":
        check_goes_on(output, prepared.settings, prepared.documents, config.input)
    elif config.output.mode == "append" and output.has(prepared.run_id):
        raise ConfigError(
            f"run.id={prepared.run_id!r} stands in the output already. Choose another, or leave it "
            f"out."
        )
    if prepared.quarantine is not None:
        _check_failures(prepared, prepared.quarantine)
    if config.run.skip_existing and isinstance(output, RunFolders):
        check_existing(prepared.documents, config.input, output, prepared.settings)
    if (config.output.mode, config.output.format) == ("append", PARQUET):
        assert isinstance(output, RunFolders)
        check_same_columns(prepared.planned, config.input, output)


def _check_failures(prepared: Prepared, quarantine: RunFolders) -> None:
    """Refuse the name of a run whose failures stand apart, unless it died before it was published.

    They may be all that is left of those documents. Such a run is tried again under its name.
    """
    output, run_id = prepared.output, prepared.run_id
    if not quarantine.has(run_id):
        return
    if output.has(run_id) or quarantine.record_of(run_id).failures_of != output.path:
        raise ConfigError(
            f"run.id={run_id!r} stands in errors.quarantine_path={quarantine.section.path!r} "
            f"already, with failures of another run. Choose another run.id, or leave it out."
        )


@contextmanager
def hold(prepared: Prepared) -> Iterator[Prepared]:
    """Hold the outputs of a run, mend what earlier runs have broken there, and look once more.

    Raises:
        ConfigError: if another run holds one of them, or something has come to stand against this
            one since it was prepared.

    """
    with ExitStack() as stack:
        output = stack.enter_context(prepared.output.hold(prepared.run_id))
        apart = prepared.quarantine
        apart = apart and stack.enter_context(apart.hold(prepared.run_id))
        held = replace(prepared, output=output, quarantine=apart)
        check_outputs(held)
        yield held
