"""The training loop: steps, development scores, early stopping, checkpoints.

Enters: a trainee, examples, development texts. Leaves: the best weights, and how they came about.
Must not import: Spark.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from spark_entities.jobs.training.development import score_corpus
from spark_entities.jobs.training.examples import Examples
from spark_entities.jobs.training.loss import PartialLabelLoss
from spark_entities.jobs.training.network import Trainee
from spark_entities.jobs.training.recipe import Training
from spark_entities.jobs.training.state import Progress, State, StateFile, Weights
from spark_entities.jobs.training.steps import (
    Process,
    Stepper,
    make_optimizer,
    rate_factor,
    set_rate,
    synchronise,
)
from spark_entities.jobs.training.texts import CorporaRead, LabelSets
from spark_entities.udfs.core.arrays import Ints

log = logging.getLogger("spark_entities.finetune")

_LOG_STEPS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What to train on, and how."""

    examples: Examples
    plan: Sequence[Ints]  # the windows of every step
    sets: LabelSets
    development: CorporaRead
    options: Training
    process: Process


def train(trainee: Trainee, task: Task, state: StateFile) -> tuple[Progress, Weights]:
    """Train by the plan, from the last checkpoint if there is one; return the best weights.

    Without development corpora the best weights are the last.
    """
    options, plan = task.options, task.plan
    stepper = _make_stepper(trainee, task)
    progress, best = _resume(stepper, state)
    every = max(1, len(plan) // (options.epochs * options.evaluations_per_epoch))
    started = time.monotonic() - progress.seconds
    trainee.network.train()
    while progress.step < len(plan) and not progress.is_stale(options.patience):
        index = progress.step
        set_rate(stepper.optimizer, rate_factor(index, len(plan), options.warmup_fraction))
        result = stepper.take(index, plan[index])
        progress = progress.add_step(result.loss, result.tokens, time.monotonic() - started)
        if progress.step % _LOG_STEPS == 0 or progress.step == len(plan):
            _report(progress, len(plan))
        if task.development and (progress.step % every == 0 or progress.step == len(plan)):
            progress = progress.add_evaluation(evaluate(trainee, task))
            log.info("development: %s", progress.evaluations[-1].scores)
            if progress.best is progress.evaluations[-1]:
                best = copy_weights(trainee.network)
        if task.process.is_first and progress.step % options.checkpoint_steps == 0:
            state.save(_state(stepper, progress, best))
    best = best or copy_weights(trainee.network)
    if task.process.is_first:
        state.save(_state(stepper, progress, best))
    return progress, best


def _make_stepper(trainee: Trainee, task: Task) -> Stepper:
    return Stepper(
        trainee=trainee,
        network=synchronise(trainee, task.process),
        optimizer=make_optimizer(trainee, task.options),
        examples=task.examples,
        loss=PartialLabelLoss.of(task.sets, trainee.device),
        shifted_positions=task.options.shifted_positions,
        seed=task.options.seed,
        process=task.process,
    )


def _state(stepper: Stepper, progress: Progress, best: Weights | None) -> State:
    return State(
        progress=progress,
        network=stepper.trainee.network.state_dict(),
        optimizer=stepper.optimizer.state_dict(),
        best=best,
    )


def _resume(stepper: Stepper, state: StateFile) -> tuple[Progress, Weights | None]:
    found = state.load()
    if found is None:
        return Progress(), None
    stepper.trainee.network.load_state_dict(found.network)
    stepper.optimizer.load_state_dict(found.optimizer)
    log.info("going on from step %d", found.progress.step)
    return found.progress, found.best


def evaluate(trainee: Trainee, task: Task) -> dict[str, float]:
    """Score the development corpora in the first process, and tell the others."""
    scores: list[dict[str, float]] = [{}]
    if task.process.is_first:
        for corpus, texts in task.development:
            scores[0][corpus.file] = score_corpus(trainee, texts, corpus)
    if task.process.count > 1:
        torch.distributed.broadcast_object_list(scores)
    return scores[0]


def _report(progress: Progress, num_steps: int) -> None:
    log.info(
        "step %d of %d: loss %.4f, %.0f tokens/s",
        *(progress.step, num_steps, progress.loss / max(1, progress.loss_steps)),
        progress.tokens / progress.seconds,
    )


def copy_weights(network: torch.nn.Module) -> Weights:
    """Copy a network's weights to the CPU."""
    return {name: weight.detach().cpu().clone() for name, weight in network.state_dict().items()}
