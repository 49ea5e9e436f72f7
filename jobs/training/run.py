"""One training run from files to a folder: what each process does, and what the first one writes.

Enters: a recipe, corpora, a base. Leaves: a float16 checkpoint with its tokenizer and model card.
Must not import: Spark.
"""

from __future__ import annotations

import logging
import os
import platform
import random
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

from spark_entities.jobs.training.card import CorpusSize, Outcome, write_card
from spark_entities.jobs.training.examples import make_examples
from spark_entities.jobs.training.loop import Task, copy_weights, evaluate, train
from spark_entities.jobs.training.network import Trainee, load_trainee, save_half
from spark_entities.jobs.training.recipe import Recipe, Training
from spark_entities.jobs.training.state import StateFile, Weights, fingerprint
from spark_entities.jobs.training.steps import Process, plan_steps
from spark_entities.jobs.training.texts import CorporaRead, LabelSets, read_texts
from spark_entities.udfs.errors import ConfigError
from spark_entities.udfs.options import ModelOptions

log = logging.getLogger("spark_entities.finetune")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to train, on what, from what, and where to."""

    recipe: Recipe
    corpora: Path
    base: ModelOptions
    output: Path

    @property
    def workshop(self) -> Path:
        """The folder beside the output in which a run keeps its checkpoint until it is done."""
        return self.output.parent / f".{self.output.name}.training"


def check_order(order: Order) -> None:
    """Refuse what cannot end well, before any work.

    Raises:
        ConfigError: if there are no corpora, or the output stands already.

    """
    if not order.corpora.is_dir():
        raise ConfigError(f"--corpora={order.corpora} is no folder. Give the folder of the files.")
    if order.output.exists() and (not order.output.is_dir() or any(order.output.iterdir())):
        raise ConfigError(
            f"--output={order.output} stands already. Give a new folder, or delete it first."
        )


def run_training(order: Order, process: Process) -> None:
    """Train in one of the processes; the first writes the output, in one rename."""
    recipe = order.recipe
    trainee = load_trainee(order.base, recipe, None if process.count == 1 else _device(process))
    development = _read_development(order)
    digest = fingerprint(recipe, order.corpora, trainee.folder, process.count)
    start = mean = copy_weights(trainee.network)
    runs, num_steps = [], 0
    for number in range(recipe.training.averaged_runs):
        options = recipe.training.model_copy(update={"seed": recipe.training.seed + number})
        sets = LabelSets(labels=recipe.labels)
        corpora = _read(order, sets, options)
        examples = make_examples([text for _, some in corpora for text in some], trainee.classifier)
        task = Task(
            examples=examples,
            plan=plan_steps(examples, options),
            sets=sets,
            development=development,
            options=options,
            process=process,
        )
        log.info("%d tokens a pass, %d steps at most", len(examples.targets), len(task.plan))
        trainee.network.load_state_dict(start)
        state = StateFile(path=order.workshop / f"run-{number}.pt", fingerprint=digest)
        progress, weights = train(trainee, task, state)
        runs.append(progress)
        num_steps += len(task.plan)
        mean = _add_to_mean(mean, weights, len(runs))
    averaged = _score(trainee, mean, task) if len(runs) > 1 else {}
    if process.is_first:
        outcome = Outcome(
            name=order.output.name,
            base=trainee.name if "@" in trainee.name else f"`{Path(trainee.name).name}`",
            sizes=_sizes(corpora),
            development_sizes=_sizes(development),
            runs=runs,
            averaged=averaged,
            num_steps=num_steps,
            hardware=describe_hardware(trainee.device, process),
            precision=str(trainee.dtype).removeprefix("torch."),
        )
        _publish(order, trainee, mean, write_card(recipe, outcome))


def _add_to_mean(mean: Weights, weights: Weights, count: int) -> Weights:
    """Return the mean of `count` runs, of that of the others and the weights of the last."""
    return {
        name: old.lerp(weights[name], 1 / count) if old.is_floating_point() else weights[name]
        for name, old in mean.items()
    }


def _score(trainee: Trainee, weights: Weights, task: Task) -> dict[str, float]:
    trainee.network.load_state_dict(weights)
    scores = evaluate(trainee, task)
    log.info("development, mean of all runs: %s", scores)
    return scores


def _read(order: Order, sets: LabelSets, options: Training) -> CorporaRead:
    rng, outside = random.Random(options.seed), frozenset(order.recipe.outside)
    return [
        (corpus, read_texts(corpus, order.corpora, sets, options, rng, outside))
        for corpus in order.recipe.corpora
    ]


def _read_development(order: Order) -> CorporaRead:
    """Read each text once, and as it is."""
    rng, sets = random.Random(order.recipe.training.seed), LabelSets(labels=order.recipe.labels)
    training = order.recipe.training.model_copy(update={"broken_encoding": 0.0})
    taken = [corpus.model_copy(update={"repeat": 1}) for corpus in order.recipe.development]
    return [(corpus, read_texts(corpus, order.corpora, sets, training, rng)) for corpus in taken]


def _device(process: Process) -> str:
    """Return the process's own GPU, by torchrun's count on its machine, or the CPU."""
    local_rank = int(os.environ.get("LOCAL_RANK", process.rank))
    return f"cuda:{local_rank}" if torch.cuda.is_available() else "cpu"


def _sizes(corpora: CorporaRead) -> list[CorpusSize]:
    return [
        CorpusSize(
            corpus=corpus,
            texts=len(texts) // corpus.repeat,
            words=sum(len(text.tags) for text in texts) // corpus.repeat,
        )
        for corpus, texts in corpora
    ]


def describe_hardware(device: torch.device, process: Process) -> str:
    """Name what a run computes on."""
    if device.type == "cuda":
        return f"{process.count} × {torch.cuda.get_device_name(device)}"
    return f"{torch.get_num_threads() * process.count} threads of {cpu_name()}"


def cpu_name() -> str:
    """Name the processor, as Linux does; elsewhere its architecture."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _publish(order: Order, trainee: Trainee, weights: Weights, card: str) -> None:
    """Write the model beside the output, then rename it into place."""
    finished = order.workshop / "model"
    shutil.rmtree(finished, ignore_errors=True)
    save_half(trainee, weights, finished)
    (finished / "README.md").write_text(card, "utf-8")
    if order.output.exists():
        order.output.rmdir()  # an empty folder
    finished.rename(order.output)
    shutil.rmtree(order.workshop)
