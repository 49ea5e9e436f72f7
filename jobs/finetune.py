"""Fine-tune a base model for token classification on CoNLL files.

Enters: a recipe (YAML), a folder of CoNLL files, a base model. Leaves: a float16 safetensors
checkpoint with its tokenizer and model card, which `spark-entities enrich --model.name` takes.
Must not import: Spark, but for `--distributed`.

A run that is stopped goes on from its last checkpoint when it is started again.
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # run as a file, whose folder must not hide packages named as rooms of ours
    here = Path(__file__).resolve().parent
    sys.path = [path for path in sys.path if Path(path).resolve() != here]
    if here.name == "jobs" and (here.parent / "spark_entities").is_dir():  # a checkout
        sys.path.append(str(here.parent))

import argparse
import logging
from collections.abc import Sequence

from spark_entities.jobs.command import run_program
from spark_entities.jobs.training.recipe import Recipe, load_recipe
from spark_entities.jobs.training.run import Order, check_order, run_training
from spark_entities.jobs.training.steps import Process
from spark_entities.udfs.errors import ConfigError
from spark_entities.udfs.options import ModelOptions

_PURPOSE = "Train a model on CoNLL files by a recipe; goes on where it was stopped."


def finetune(
    recipe: Recipe, corpora: Path, base: str | Path, output: Path, *, revision: str | None = None
) -> None:
    """Train a base model, a folder or Hub id, by a recipe, in this process.

    Raises:
        ConfigError: if recipe, corpora and output do not fit, before any work.
        ModelLoadError: if the base cannot be loaded.

    """
    order = Order(
        recipe=recipe,
        corpora=corpora,
        base=ModelOptions(name=str(base), revision=revision),
        output=output,
    )
    check_order(order)
    run_training(order, Process())


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="spark-entities finetune", description=_PURPOSE)
    parser.add_argument("--recipe", type=Path, required=True, help="YAML; see docs/training.md")
    parser.add_argument("--corpora", type=Path, required=True, help="folder of the CoNLL files")
    parser.add_argument(
        "--base", required=True, help="folder or Hub id to start from, or 'bundled'"
    )
    parser.add_argument("--revision", help="branch, tag or commit of a Hub id")
    parser.add_argument("--output", type=Path, required=True, help="folder of the trained model")
    parser.add_argument(
        "--distributed", type=int, metavar="N", help="train in N processes, by Spark"
    )
    parser.add_argument(
        "--master", help="Spark's master for --distributed; spark-submit's if absent"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `spark-entities finetune …`; returns the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    options = _parse(arguments)
    return run_program(lambda: _main(options))


def _main(options: argparse.Namespace) -> None:
    recipe = load_recipe(options.recipe)
    if options.distributed is None:
        finetune(recipe, options.corpora, options.base, options.output, revision=options.revision)
    else:
        _finetune_distributed(recipe, options)
    print(f"wrote {options.output}")


def _finetune_distributed(recipe: Recipe, options: argparse.Namespace) -> None:
    from spark_entities.jobs.training.distributed import train_distributed

    if options.distributed < 1:
        raise ConfigError(f"--distributed={options.distributed} is below 1. Give 1 or more.")
    order = Order(
        recipe=recipe,
        corpora=options.corpora.resolve(),
        base=ModelOptions(name=options.base, revision=options.revision),
        output=options.output.resolve(),
    )
    check_order(order)
    train_distributed(order, options.distributed, options.master)


if __name__ == "__main__":
    sys.exit(main())
