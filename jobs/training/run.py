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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from spark_entities.jobs.training.card import CorpusSize, Run, write_card
from spark_entities.jobs.training.examples import make_examples
from spark_entities.jobs.training.loop import Task, train
from spark_entities.jobs.training.network import Trainee, load_trainee, save_half
from spark_entities.jobs.training.recipe import Corpus, Recipe
from spark_entities.jobs.training.state import Progress, StateFile, Weights, fingerprint
from spark_entities.jobs.training.steps import Process, plan_steps
from spark_entities.jobs.training.texts import LabelSets, TaggedText, read_texts
from spark_entities.udfs.errors import ConfigError
from spark_entities.udfs.options import ModelOptions

log = logging.getLogger("spark_entities.finetune")

Texts = Sequence[tuple[Corpus, Sequence[TaggedText]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to train, on what, from what, and where to."""

    recipe: Recipe
    corpora: Path
    base: ModelOptions
    output: Path

    @property
    def workshop(self) -> Path:
        """The folder beside the output in which a run keeps its checkpoint until it is done."""
        return self.output.parent / f".{self.output.name}.training"


def check_job(job: Job) -> None:
    """Refuse what cannot end well, before any work.

    Raises:
        ConfigError: if there are no corpora, or the output stands already.

    """
    if not job.corpora.is_dir():
        raise ConfigError(f"--corpora={job.corpora} is no folder. Give the folder of the files.")
    if job.output.exists() and (not job.output.is_dir() or any(job.output.iterdir())):
        raise ConfigError(
            f"--output={job.output} stands already. Give a new folder, or delete it first."
        )


def run_training(job: Job, process: Process) -> None:
    """Train in one of the processes; the first writes the output, in one rename."""
    recipe = job.recipe
    trainee = load_trainee(job.base, recipe, None if process.count == 1 else _device(process))
    sets = LabelSets(labels=recipe.labels)
    training = _read(recipe.corpora, job, sets)
    development = _read(recipe.development, job, LabelSets(labels=recipe.labels), repeat=False)
    texts = [text for _, some in training for text in some]
    task = Task(
        examples=make_examples(texts, trainee.classifier),
        allowed=torch.from_numpy(sets.table()),
        development=development,
        options=recipe.training,
        process=process,
    )
    num_steps = len(plan_steps(task.examples, recipe.training))
    log.info("%d tokens a pass, %d steps at most", len(task.examples.targets), num_steps)
    state = StateFile(
        path=job.workshop / "state.pt",
        fingerprint=fingerprint(recipe, job.corpora, trainee.folder, process.count),
    )
    progress, weights = train(trainee, task, state)
    if process.is_first:
        run = _describe(job, trainee, progress, num_steps, process, training, development)
        _publish(job, trainee, weights, write_card(recipe, run))


def _read(
    corpora: Sequence[Corpus], job: Job, sets: LabelSets, *, repeat: bool = True
) -> list[tuple[Corpus, list[TaggedText]]]:
    rng = random.Random(job.recipe.training.seed)
    most = job.recipe.training.max_sentences_per_text
    taken = [corpus if repeat else corpus.model_copy(update={"repeat": 1}) for corpus in corpora]
    return [(corpus, read_texts(corpus, job.corpora, sets, most, rng)) for corpus in taken]


def _device(process: Process) -> str:
    """Return the process's own GPU, by torchrun's count on its machine, or the CPU."""
    local_rank = int(os.environ.get("LOCAL_RANK", process.rank))
    return f"cuda:{local_rank}" if torch.cuda.is_available() else "cpu"


def _describe(
    job: Job,
    trainee: Trainee,
    progress: Progress,
    num_steps: int,
    process: Process,
    training: Texts,
    development: Texts,
) -> Run:
    base = trainee.name if "@" in trainee.name else f"`{Path(trainee.name).name}`"
    return Run(
        name=job.output.name,
        base=base,
        sizes=_sizes(training),
        development_sizes=_sizes(development),
        progress=progress,
        num_steps=num_steps,
        hardware=describe_hardware(trainee.device, process),
        precision=str(trainee.dtype).removeprefix("torch."),
    )


def _sizes(corpora: Texts) -> list[CorpusSize]:
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
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    threads = torch.get_num_threads() * process.count
    return f"{threads} threads of {names[0] if names else platform.machine()}"


def _publish(job: Job, trainee: Trainee, weights: Weights, card: str) -> None:
    """Write the model beside the output, then rename it into place."""
    finished = job.workshop / "model"
    shutil.rmtree(finished, ignore_errors=True)
    save_half(trainee, weights, finished)
    (finished / "README.md").write_text(card, "utf-8")
    if job.output.exists():
        job.output.rmdir()  # an empty folder
    finished.rename(job.output)
    shutil.rmtree(job.workshop)
