"""A look before the run: ten documents of the input, with their entities marked.

    spark-entities preview --config conf/local.yaml --input.path …

It takes what `enrich` takes, needs no output, and writes nothing. Of local files the beginning is
read, without Spark. `run.show_documents` says how many, `input.limit` how many at most.
Must not import: torch, transformers; the engine, which loads them, once there are documents.
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

import os
from collections.abc import Sequence

from spark_entities.jobs.command import run_program
from spark_entities.jobs.config import EnrichConfig, read_config
from spark_entities.jobs.enrichment.prepare import read_documents
from spark_entities.jobs.enrichment.set_up import check_model, set_up
from spark_entities.jobs.report.terminal import Shown, print_texts
from spark_entities.jobs.spark.phases import begin_phases, end_phases, phase
from spark_entities.jobs.spark.progress import show_progress
from spark_entities.jobs.tables.columns import field
from spark_entities.jobs.tables.head import Row, read_head
from spark_entities.jobs.tables.reading import check_input, choose_rows
from spark_entities.jobs.tables.result_columns import ResultColumns
from spark_entities.udfs.checkpoint import Checkpoint

_PROGRAM = "spark-entities preview"
_DOCUMENTS = 10


def preview(config: EnrichConfig) -> list[list[Shown]]:
    """Classify the texts of some documents in this process: those of each, in order.

    Raises:
        ConfigError, ModelLoadError: if something stands against it.

    """
    check_input(config.input)
    checkpoint = check_model(config)
    wanted = config.run.show_documents or _DOCUMENTS
    count = min(wanted, config.input.limit or wanted)
    added = ResultColumns.of(config, checkpoint.scheme.groups).added
    rows = read_head(config.input, config.spark, count, added)
    if rows is None:
        rows = _read_by_spark(config, count)
    phase(f"Loading {config.model.name}")
    return _classify(rows, config, checkpoint)


def _read_by_spark(config: EnrichConfig, count: int) -> list[Row]:
    ready = set_up(None, config, program=_PROGRAM)
    with show_progress(ready.spark):
        documents = choose_rows(read_documents(ready), config.input)
        texts = (field(documents, name) for name in config.input.texts)
        return [tuple(row) for row in documents.select(*texts).take(count)]


def _classify(
    rows: Sequence[Row], config: EnrichConfig, checkpoint: Checkpoint
) -> list[list[Shown]]:
    """Classify all texts at once; what is redacted is shown in the place of the text."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that spin are slow on busy cores
    from spark_entities.udfs.classifier import TokenClassifier

    redact = config.redaction()
    classifier = TokenClassifier.load(checkpoint.options, config.classify, redact=redact)
    texts = [text for row in rows for text in row]
    shown = [
        Shown(
            text=text if redact is None else result["redacted"],
            entities=result["entities"],
            error=result["error"],
            marks=None if redact is None else result["redactions"],
        )
        for text, result in zip(texts, classifier.classify(texts).to_pylist(), strict=True)
    ]
    width = len(config.input.texts)
    return [shown[start : start + width] for start in range(0, len(shown), width)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Preview from a command line; returns the exit status."""
    return run_program(lambda: _main(sys.argv[1:] if arguments is None else arguments))


def _main(arguments: Sequence[str]) -> None:
    config = read_config(arguments, program=_PROGRAM)
    begin_phases()
    shown = preview(config)
    end_phases()
    print_texts(shown, config.input.texts)


if __name__ == "__main__":
    sys.exit(main())
