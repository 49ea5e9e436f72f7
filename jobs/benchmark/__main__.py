"""The command line of the measurements."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from spark_entities.jobs.benchmark.measurements import (
    engine,
    growth,
    memory,
    precision,
    profile,
    spark,
    sweep,
)
from spark_entities.jobs.benchmark.workload import SCENARIOS
from spark_entities.udfs.options import BUNDLED

# Which measurement takes which option, and what argparse is to know of it.
_OPTIONS: dict[str, tuple[set[Callable[..., None]], dict[str, Any]]] = {
    "--model": (
        {spark, engine, sweep, precision, growth, memory},
        {"default": BUNDLED, "help": "bundled, tiny, xlm-roberta-base, … or a folder"},
    ),
    "--scenario": ({spark, engine, sweep, precision}, {"choices": SCENARIOS, "default": "mixed"}),
    "--documents": ({spark, engine, sweep, precision}, {"type": int, "default": 400}),
    "--repeats": ({spark, engine, sweep, precision, profile}, {"type": int, "default": 3}),
    "--cores": ({spark, engine, sweep, precision, profile, growth}, {"type": int, "default": 2}),
    "--output": (
        {spark, engine, sweep, precision, growth, memory},
        {"type": Path, "default": Path("build/benchmark"), "help": "folder for models and results"},
    ),
    "--task-cpus": ({spark}, {"type": int, "default": 2, "help": "cores, and threads, of a task"}),
    "--only": ({spark}, {"nargs": "+", "help": "contenders whose names begin so"}),
    "--budgets": (
        {sweep},
        {"type": int, "nargs": "+", "help": "padded tokens of a batch; by device when absent"},
    ),
    "--device": ({engine, sweep}, {"default": "cpu"}),
    "--precision": ({engine}, {"default": "auto"}),
    "--batch-sizes": ({engine}, {"type": int, "nargs": "+", "default": [1, 8, 32, 128]}),
    "--precisions": ({precision}, {"nargs": "+", "default": ["float32", "int8"]}),
    "--texts": ({precision}, {"type": Path, "help": "a document a line, not a scenario's"}),
    "--words": ({profile}, {"type": int, "default": 400_000, "help": "of each scenario"}),
    "--counts": ({growth}, {"type": int, "nargs": "+", "default": [1000, 10_000, 100_000]}),
    "--workers": ({memory}, {"type": int, "nargs": "+", "default": [1, 2, 4]}),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one measurement."""
    parser = argparse.ArgumentParser(
        prog="python -m spark_entities.jobs.benchmark", description=__doc__
    )
    commands = parser.add_subparsers(required=True)
    for measure in (spark, engine, sweep, precision, profile, growth, memory):
        command = commands.add_parser(
            measure.__name__,
            help=measure.__doc__,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        command.set_defaults(measure=measure)
        for flag, (takers, settings) in _OPTIONS.items():
            if measure in takers:
                command.add_argument(flag, **settings)
    options = parser.parse_args(arguments)
    options.measure(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
