"""Peak memory of a worker, by what it is given: `make memory` prints the table.

Each case runs the worker's own path in a process of its own: batches of Arrow's size in, rows out.
The bundled model's network is replaced by one that labels every token as the first of a name, so
that what is measured is all else.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from spark_entities.jobs.benchmark.plumbing import free_classifier
from spark_entities.udfs import worker
from spark_entities.udfs.options import ClassifyOptions, ModelOptions

SENTENCE = "Gisteren sprak Willem de Vries met Annelies de Bruijn in Utrecht. "
ROWS_PER_BATCH = 10_000

CASES: dict[str, tuple[int, int]] = {  # rows, characters of each
    "nothing but the model": (1, 10),
    "25,000 short documents": (25_000, 66),
    "100,000 short documents": (100_000, 66),
    "400,000 short documents": (400_000, 66),
    "one document of 1 MB": (1, 1_000_000),
    "one document of 5 MB": (1, 5_000_000),
    "one document of 50 MB": (1, 50_000_000),
    "one word of 100,000 letters": (1, -100_000),
}


def batches(rows: int, chars: int) -> Iterator[list[str | None]]:
    """Make documents of running text, or of one word where `chars` is negative."""
    text = "a" * -chars if chars < 0 else (SENTENCE * (chars // len(SENTENCE) + 1))[:chars]
    for start in range(0, rows, ROWS_PER_BATCH):
        batch = range(start, min(start + ROWS_PER_BATCH, rows))
        yield [text if rows == 1 else f"{row} {text}" for row in batch]  # equal ones cost nothing


def run_case(name: str) -> None:
    """Classify a case and print what came out and the peak of resident memory."""
    options = ModelOptions()
    worker._models[options, "cpu"] = free_classifier(options, tokens_per_entity=1).model
    rows, chars = CASES[name]
    entities = errors = 0
    for array in worker.classify_batches(batches(rows, chars), options, ClassifyOptions()):
        entities += len(array.field("entities").flatten())
        errors += len(array) - array.field("error").null_count
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{entities}\t{errors}\t{peak}")


def main() -> None:
    """Run every case in a process of its own and print the table."""
    table = Table("case", "entities", "errors", "peak MiB")
    for name in CASES:
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "spark_entities.jobs.benchmark.peak",
            name,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        table.add_row(name, *done.stdout.split())
    Console().print(table)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        run_case(sys.argv[1])
    else:
        main()
