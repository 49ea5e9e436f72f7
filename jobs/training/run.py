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
from spark_entities.jobs.training.loop import Task, train
from spark_entities.jobs.training.network import Trainee, load_trainee, save_half
from spark_entities.jobs.training.recipe import Recipe
from spark_entities.jobs.training.state import Progress, StateFile, Weights, fingerprint
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
    sets = LabelSets(labels=recipe.labels)
    training = _read(order, sets)
    development = _read_development(order)
    texts = [text for _, some in training for text in some]
    examples = make_examples(texts, trainee.classifier)
    task = Task(
        examples=examples,
        plan=plan_steps(examples, recipe.training),
        sets=sets,
        development=development,
        options=recipe.training,
        process=process,
    )
    log.info("%d tokens a pass, %d steps at most", len(examples.targets), len(task.plan))
    state = StateFile(
        path=order.workshop / "state.pt",
        fingerprint=fingerprint(recipe, order.corpora, trainee.folder, process.count),
    )
    progress, weights = train(trainee, task, state)
    if process.is_first:
        outcome = _describe(order, trainee, task, training, progress)
        _publish(order, trainee, weights, write_card(recipe, outcome))


def _read(order: Order, sets: LabelSets) -> CorporaRead:
    recipe, rng = order.recipe, random.Random(order.recipe.training.seed)
    outside = frozenset(recipe.outside)
    return [
        (corpus, read_texts(corpus, order.corpora, sets, recipe.training, rng, outside))
        for corpus in recipe.corpora
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


def _describe(
    order: Order, trainee: Trainee, task: Task, training: CorporaRead, progress: Progress
) -> Outcome:
    base = trainee.name if "@" in trainee.name else f"`{Path(trainee.name).name}`"
    return Outcome(
        name=order.output.name,
        base=base,
        sizes=_sizes(training),
        development_sizes=_sizes(task.development),
        progress=progress,
        num_steps=len(task.plan),
        hardware=describe_hardware(trainee.device, task.process),
        precision=str(trainee.dtype).removeprefix("torch."),
    )


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
