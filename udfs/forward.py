"""The hop in the middle: windows ▶ batches or packs ▶ label id and score of each token.

Enters: an encoding. Leaves: predictions. Must not import: pyspark, transformers.

The host lays out a batch while the device works on those before it: what the model says is reduced
and kept on the device, and fetched once a buffer, so that no batch waits for another's answer.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spark_entities.udfs.attention import packed, without_plans
from spark_entities.udfs.core.arrays import Ints
from spark_entities.udfs.core.batching import (
    Batch,
    Pack,
    lay_end_to_end,
    lay_out,
    plan_batches,
    plan_packs,
)
from spark_entities.udfs.core.records import Cost, Encoding, Predictions
from spark_entities.udfs.errors import InferenceError
from spark_entities.udfs.failures import device_failures, ran_out_of_memory
from spark_entities.udfs.memory import return_memory
from spark_entities.udfs.model import LoadedModel

log = logging.getLogger("spark_entities.forward")


@dataclass(frozen=True, slots=True, kw_only=True)
class Launched:
    """What the model says of a buffer, on its way from the device."""

    label_ids: torch.Tensor  # int64, (num_tokens,), in main memory
    scores: torch.Tensor  # float32, (num_tokens,)
    probabilities: torch.Tensor | None  # float32, (num_tokens, num_labels)
    cost: Cost
    clock: Clock
    device: torch.device

    def collect(self) -> Predictions:
        """Wait until all has arrived.

        Raises:
            InferenceError: if a score is not a finite number.
            DeviceError: if the device has become unusable.

        """
        with device_failures(self.device):
            seconds = self.clock.seconds()
        scores = self.scores.numpy()
        if not np.isfinite(scores).all():
            raise InferenceError("the model gave a score that is not a finite number")
        return Predictions(
            label_ids=self.label_ids.numpy(),
            scores=scores,
            probabilities=None if self.probabilities is None else self.probabilities.numpy(),
            cost=self.cost + Cost(forward_seconds=seconds),
        )


def launch(
    model: LoadedModel,
    encoding: Encoding,
    *,
    max_padded_tokens: int | None,
    with_probabilities: bool,
) -> Launched:
    """Have the model run over all windows and keep, of each token, what its owner says.

    A GPU is given all its work, and not waited for. Where memory runs out, the batch is halved, and
    so are all after it.

    Args:
        model: remembers the largest batch that its device can hold.
        encoding: of a buffer.
        max_padded_tokens: budget of a batch; the device's own when absent.
        with_probabilities: keep those of all labels.

    Raises:
        InferenceError: if a single window does not fit.
        DeviceError: if the device has become unusable.

    """
    lengths = encoding.windows.ends - encoding.windows.starts + model.frame.num_special_tokens
    num_tokens, num_labels = len(encoding.tokens.ids), len(model.scheme.labels)
    shape = (num_tokens, num_labels) if with_probabilities else (0, num_labels)
    device = model.device
    with device_failures(device), torch.inference_mode(), without_plans(device):
        clock = Clock(device)
        run = _Run(
            model=model,
            encoding=encoding,
            lengths=lengths,
            max_padded_tokens=max_padded_tokens or model.sizes.max_padded_tokens,
            label_ids=torch.zeros(num_tokens, dtype=torch.int64, device=device),
            scores=torch.zeros(num_tokens, device=device),
            probabilities=torch.zeros(shape, device=device),
        )
        num_padded_tokens = run.classify(np.arange(len(lengths)))
        kept = run.label_ids, run.scores, run.probabilities
        label_ids, scores, probabilities = (each.to("cpu", non_blocking=True) for each in kept)
        clock.stop()
    return Launched(
        label_ids=label_ids,
        scores=scores,
        probabilities=probabilities if with_probabilities else None,
        cost=Cost(num_model_tokens=int(lengths.sum()), num_padded_tokens=num_padded_tokens),
        clock=clock,
        device=device,
    )


class Clock:
    """The time of a device between two points of its work."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._started = self._mark()

    def stop(self) -> None:
        """Mark the end."""
        self._stopped = self._mark()

    def seconds(self) -> float:
        """Wait until the device has come to the end; return how long it took from the start."""
        if self._device.type != "cuda":
            return float(self._stopped - self._started)
        self._stopped.synchronize()
        return float(self._started.elapsed_time(self._stopped)) / 1000

    def _mark(self) -> Any:
        if self._device.type != "cuda":
            return time.monotonic()
        mark = torch.cuda.Event(enable_timing=True, blocking=True)  # type: ignore[no-untyped-call]
        mark.record(torch.cuda.current_stream(self._device))
        return mark


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """The windows of a buffer, and what the model has said of its tokens, on the device."""

    model: LoadedModel
    encoding: Encoding
    lengths: Ints  # (num_windows,), special tokens counted
    max_padded_tokens: int
    label_ids: torch.Tensor  # int64, (num_tokens,)
    scores: torch.Tensor  # float32, (num_tokens,)
    probabilities: torch.Tensor  # float32, (num_tokens, num_labels), or no rows if none are wanted

    def classify(self, windows: Ints) -> int:
        """Classify some windows in batches that fit in memory; return their padded tokens."""
        memory = self.model.memory
        num_padded_tokens = 0
        for rows, width in self._plan(windows):
            size = width if self.model.packs else len(rows) * width
            if memory.admits(len(rows), size) and self._keep(rows, width, size):
                num_padded_tokens += size
                return_memory()
            else:  # it has just become smaller
                num_padded_tokens += self.classify(rows)
        return num_padded_tokens

    def _plan(self, windows: Ints) -> Iterator[tuple[Ints, int]]:
        """Yield the windows of each batch, and its width."""
        lengths, sizes = self.lengths[windows], self.model.sizes
        budget = min(self.max_padded_tokens, self.model.memory.max_padded_tokens)
        if self.model.packs:
            for rows in plan_packs(lengths, max_tokens=budget):
                yield windows[rows], int(lengths[rows].sum())
            return
        multiple = sizes.width_multiple if self.model.pads else 1
        widths = np.minimum(-(-lengths // multiple) * multiple, self.model.max_positions)
        for rows in plan_batches(
            widths,
            max_padded_tokens=budget,
            batch_cost_tokens=sizes.batch_cost_tokens,
            pads=self.model.pads,
        ):
            yield windows[rows], int(widths[rows].max())

    def _keep(self, rows: Ints, width: int, size: int) -> bool:
        """Run the model over a batch and keep what it says, unless there is no memory for it."""
        encoding, model = self.encoding, self.model
        parts = encoding.tokens.ids, encoding.windows, rows, model.frame
        batch = lay_end_to_end(*parts) if model.packs else lay_out(*parts, width)
        try:
            self._run(batch)
        except RuntimeError as error:
            if not ran_out_of_memory(error):
                raise
            reason = f"{type(error).__name__} on {model.device}"
        else:
            return True
        # Only now: the error held on to memory.
        if model.device.type == "cuda":
            torch.cuda.empty_cache()
        if len(rows) == 1:
            raise InferenceError(f"{reason}: one window of {size} tokens does not fit in memory")
        model.memory.halve(size)
        log.warning(
            "%s with a batch of %d padded tokens; from now on, at most %d (set "
            "classify.max_padded_tokens to begin with that).",
            *(reason, size, model.memory.max_padded_tokens),
        )
        return False

    def _run(self, batch: Batch | Pack) -> None:
        logits = self._logits(batch).flatten(0, 1)
        tokens = self._on_device(batch.tokens)
        owned = logits[self._on_device(batch.places)]  # (owned, num_labels)
        distribution = owned.float().softmax(dim=-1)
        best = distribution.max(dim=-1)
        sound = owned.isfinite().all(dim=-1)
        self.label_ids[tokens] = best.indices
        self.scores[tokens] = best.values.where(sound, torch.nan)
        if len(self.probabilities):
            self.probabilities[tokens] = distribution

    def _logits(self, batch: Batch | Pack) -> torch.Tensor:
        """Run the model over a batch: (rows, width, num_labels)."""
        network, input_ids = self.model.network, self._on_device(batch.input_ids)
        if isinstance(batch, Pack):
            positions = self._on_device(batch.position_ids + (self.model.first_position or 0))
            with packed(self._on_device(batch.row_splits.astype(np.int32)), batch.longest):
                output = network(input_ids=input_ids, position_ids=positions)
        else:
            given = {"attention_mask": batch.attention_mask, "token_type_ids": batch.token_type_ids}
            output = network(
                input_ids=input_ids,
                **{name: self._on_device(each) for name, each in given.items() if each is not None},
            )
        logits: torch.Tensor = output.logits
        return logits

    def _on_device(self, array: NDArray[Any]) -> torch.Tensor:
        """Copy to the device without waiting for it, from memory that cannot be paged out."""
        values = torch.from_numpy(array)
        if self.model.device.type == "cuda":
            values = _pinned(values)
        return values.to(self.model.device, non_blocking=True)


def _pinned(values: torch.Tensor) -> torch.Tensor:
    """Copy to memory that cannot be paged out, in this thread alone.

    `Tensor.pin_memory` copies in all of torch's threads. Those then spin for a while, batch after
    batch, and take the cores of the threads that encode.
    """
    pinned = torch.empty_like(values, pin_memory=True)
    np.copyto(pinned.numpy(), values.numpy())
    return pinned
