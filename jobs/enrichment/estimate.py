"""What a run over a whole table takes, reckoned from what a sample of it took.

Enters: counts of the table, measurements of the sample, the cluster. Leaves: an `Estimate`.
Must not import: Spark, torch, transformers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Self

_TASK_SECONDS = 300  # that a task should take at most
_PARTITIONS_PER_SLOT = 3  # at least, since documents differ in length
_BUFFERS_PER_PARTITION = 2  # at least, since the last one is a short one


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What is to be classified."""

    documents: int
    texts: int  # in all columns of texts, nulls left out
    chars: int
    distinct: int  # texts, about
    partitions: int | None  # that the run will have, where that is known
    is_spread: bool  # whether equal texts meet in one partition

    def model_share(self, buffer_chars: int) -> float:
        """Return which share of the texts the model is given: equal ones of a buffer once.

        A text of which there are `c` among `n` is in a buffer of `b` of them with a chance of
        about `1 - (1 - b / n) ** c`.

        Args:
            buffer_chars: characters of a buffer, each text counting one more.

        """
        partitions = self.partitions or 1
        buffer = min(buffer_chars / (self.chars / self.texts + 1), self.texts / partitions)
        total = self.texts / partitions if self.is_spread else self.texts
        copies = self.texts / self.distinct
        found: float = 1 - (1 - buffer / total) ** copies
        return total / copies * found / buffer

    def rounds(self, slots: int) -> float:
        """Return how much longer its partitions keep the slots than very many would.

        Of three, each as long as the others, two slots have one left to wait for.
        """
        if self.partitions is None:
            return 1.0
        return math.ceil(self.partitions / slots) * slots / self.partitions


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What some texts took on all slots together. Measurements add up."""

    documents: int = 0
    chars: int = 0
    num_tokens: int = 0
    num_model_tokens: int = 0  # overlaps and special tokens counted
    seconds: float = 0.0
    forward_seconds: float = 0.0  # in the model, of all slots together

    def __add__(self, other: Self) -> Self:
        names = [each.name for each in fields(self)]
        return type(self)(**{name: getattr(self, name) + getattr(other, name) for name in names})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Where it was measured."""

    executors: int
    slots: int  # tasks at once
    cores_per_slot: int
    has_gpus: bool  # one each slot
    buffer_chars: int
    start_seconds: float  # until the first document is given to a model


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a run takes."""

    table: Table
    sample: Measured
    cluster: Cluster

    @property
    def num_tokens(self) -> float:
        """Tokens of all documents."""
        return self.sample.num_tokens * self.table.chars / self.sample.chars

    @property
    def num_model_tokens(self) -> float:
        """Tokens that the model is given."""
        return self._scale * self._model_share * self.sample.num_model_tokens

    @property
    def _scale(self) -> float:
        """How much more there is than in the sample."""
        return self.table.chars / self.sample.chars

    @property
    def _model_share(self) -> float:
        return self.table.model_share(self.cluster.buffer_chars)

    @property
    def slot_seconds(self) -> float:
        """Seconds of classification, of all slots together: the model's, and those of all rows."""
        model = self.sample.forward_seconds
        rows = max(self.sample.seconds * self.cluster.slots - model, 0.0)
        return self._scale * (self._model_share * model + rows)

    @property
    def seconds(self) -> float:
        """Seconds of the run, from its start until all is written."""
        work_seconds = self.slot_seconds / self.cluster.slots
        return self.cluster.start_seconds + work_seconds * self.table.rounds(self.cluster.slots)

    @property
    def unit_hours(self) -> float:
        """Hours of all GPUs together; of all cores, where there are none."""
        units = 1 if self.cluster.has_gpus else self.cluster.cores_per_slot
        return self.seconds / 3600 * self.cluster.slots * units

    def cost(self, price_per_hour: float) -> float:
        """Return what the executors cost."""
        return self.cluster.executors * self.seconds / 3600 * price_per_hour

    def executors_for(self, hours: float) -> int | None:
        """Return how many executors finish in so many hours; none do where the start takes them."""
        left = hours * 3600 - self.cluster.start_seconds
        work_seconds = self.slot_seconds / self.cluster.slots
        return math.ceil(self.cluster.executors * work_seconds / left) if left > 0 else None

    def partitions_for(self, executors: int) -> int:
        """Return how many partitions suit so many executors (docs/scaling.md)."""
        slots = self.cluster.slots * executors / self.cluster.executors
        wanted = max(_PARTITIONS_PER_SLOT * slots, self.slot_seconds / _TASK_SECONDS)
        most = self.table.chars // (_BUFFERS_PER_PARTITION * self.cluster.buffer_chars)
        return max(1, min(math.ceil(wanted), most))
