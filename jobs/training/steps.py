"""What one step of training is: a batch, the loss, the optimizer, the learning rate.

Enters: a trainee, examples. Leaves: changed weights. Must not import: Spark.

Each process sees the whole plan and takes its share of every batch, so that a step is the same step
however many processes there are. Dropout is drawn by seed, step and process: nothing random has to
be remembered for a run to go on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grad_norm_

from spark_entities.jobs.training.examples import Examples, Step, lay_out_step, plan_epoch
from spark_entities.jobs.training.loss import PartialLabelLoss
from spark_entities.jobs.training.network import Trainee, is_head
from spark_entities.jobs.training.recipe import Training
from spark_entities.udfs.core.arrays import Bools, Ints
from spark_entities.udfs.positions import first_position

_MAX_GRADIENT_NORM = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """Which of the processes that train together this is."""

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Tell whether this process scores, writes and reports."""
        return self.rank == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What a step says of itself."""

    loss: float  # mean over this process's share of the targets
    tokens: int  # of the whole batch, padding not counted


def plan_steps(examples: Examples, options: Training) -> list[Ints]:
    """Return the windows of every step, of all epochs."""
    rng = np.random.default_rng(options.seed)
    epochs = (plan_epoch(examples, options.max_padded_tokens, rng) for _ in range(options.epochs))
    return [batch for epoch in epochs for batch in epoch]


def make_optimizer(trainee: Trainee, options: Training) -> torch.optim.AdamW:
    """Make AdamW with a rate for the head and one for the rest."""
    named = list(trainee.network.named_parameters())
    head = [weight for name, weight in named if is_head(name)]
    body = [weight for name, weight in named if not is_head(name)]
    groups = [
        {"params": body, "peak": options.learning_rate},
        {"params": head, "peak": options.head_learning_rate},
    ]
    return torch.optim.AdamW(groups, weight_decay=options.weight_decay, fused=True)


def set_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set the learning rates to a share of their peaks."""
    for group in optimizer.param_groups:
        group["lr"] = factor * group["peak"]


def rate_factor(step: int, num_steps: int, warmup_fraction: float) -> float:
    """Return what share of its peak the learning rate has in a step, counted from 0.

    >>> [rate_factor(step, 4, 0.5) for step in range(4)]
    [0.5, 1.0, 1.0, 0.5]
    """
    warmup = int(warmup_fraction * num_steps)
    if step < warmup:
        return (step + 1) / warmup
    return (num_steps - step) / max(1, num_steps - warmup)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepper:
    """Takes the steps of one process, in whatever order they are asked for."""

    trainee: Trainee
    network: torch.nn.Module  # the trainee's, or that in its synchronisation with other processes
    optimizer: torch.optim.AdamW
    examples: Examples
    loss: PartialLabelLoss
    shifted_positions: float  # share of the windows
    seed: int
    process: Process

    def take(self, index: int, rows: Ints) -> StepResult:
        """Take a step on this process's share of a batch of windows."""
        rank, count = self.process.rank, self.process.count
        torch.manual_seed((self.seed * 1_000_003 + index) * count + rank)
        whole = lay_out_step(self.examples, rows)
        mine = rows[rank::count]
        share = lay_out_step(self.examples, mine if len(mine) else rows[:1])
        weight = count / max(1, len(whole.targets))  # synchronised gradients are averaged
        loss = self._loss(share) * (weight if len(mine) else 0.0)
        loss.backward()  # type: ignore[no-untyped-call]
        clip_grad_norm_(self.trainee.network.parameters(), _MAX_GRADIENT_NORM)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return StepResult(loss=loss.item(), tokens=int(self.examples.window_lengths[rows].sum()))

    def _loss(self, step: Step) -> torch.Tensor:
        device = self.trainee.device

        def moved(array: Ints | Bools) -> torch.Tensor:
            return torch.from_numpy(array).to(device)

        settings = {"input_ids": moved(step.input_ids)}
        if step.attention_mask is not None:
            settings["attention_mask"] = moved(step.attention_mask)
        if self.shifted_positions:
            settings["position_ids"] = self._draw_positions(*step.input_ids.shape).to(device)
        with self.trainee.autocast():
            logits = self.network(**settings).logits
        known = logits.flatten(0, 1)[moved(step.places)]
        return self.loss(known, moved(step.targets), moved(step.opens))

    def _draw_positions(self, num_rows: int, width: int) -> torch.Tensor:
        """Draw where each window begins: int64, (rows, width)."""
        model = self.trainee.classifier.model
        room = model.max_positions - width
        shifts = torch.randint(room + 1, (num_rows, 1))
        shifts *= torch.rand(num_rows, 1) < self.shifted_positions
        return first_position(self.trainee.network.config.to_dict()) + shifts + torch.arange(width)


def synchronise(trainee: Trainee, process: Process) -> torch.nn.Module:
    """Average gradients over all processes, where there are several."""
    return DistributedDataParallel(trainee.network) if process.count > 1 else trainee.network
