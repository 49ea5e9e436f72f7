"""The command `spark-entities`: one subcommand a job.

Each job is imported when it is asked for, so that one that needs no torch loads none; those that
take a second to import say before that what they are at.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from spark_entities.jobs.spark.phases import begin_phases, phase

_JOBS = {
    "enrich": "find entities in a table of documents and write them to Parquet",
    "check": "hold a set-up against what `enrich` needs, and mend it before the run",
    "preview": "show ten documents of the input with their entities, before the run",
    "plan": "reckon what a run will take, by a sample of its documents",
    "evaluate": "score a model on CoNLL files",
    "finetune": "train a model on CoNLL files",
}
_TELL_PHASES = ("enrich", "check", "preview", "plan", "evaluate")
_HELP = {"-h", "--help"}


def main() -> int:
    """Run the job named on the command line; returns its exit status."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in _TELL_PHASES and _HELP.isdisjoint(sys.argv):
        begin_phases()
        phase("Checking the settings")
    if name in _JOBS:
        return int(import_module(f"spark_entities.jobs.{name}").main(sys.argv[2:]))
    if name == "--version":
        print(f"spark-entities {_version()}")
        return 0
    if name not in _HELP:
        print(f"refused: {name!r} is an unknown job.", file=sys.stderr)
    print("usage: spark-entities JOB [--help] [--section.key VALUE …]\n\njobs:")
    for job, purpose in _JOBS.items():
        print(f"  {job:<10} {purpose}")
    return 0 if name in _HELP else 2


def _version() -> str:
    """Name the version that is installed."""
    try:
        return version("spark-entities")
    except PackageNotFoundError:
        return "of a checkout"


if __name__ == "__main__":
    sys.exit(main())
