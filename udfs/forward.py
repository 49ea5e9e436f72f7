"""The hop in the middle: windows ▶ padded batches ▶ label id and score of each token.

Enters: an encoding. Leaves: predictions. Must not import: pyspark, transformers.

The host lays out a batch while the device works on those before it: what the model says is reduced
and kept on the device, and fetched once a buffer, so that no batch waits for another's answer.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from spark_entities.udfs.core.arrays import Ints
from spark_entities.udfs.core.batching import Batch, lay_out, plan_batches
from spark_entities.udfs.core.records import Cost, Encoding, Predictions
from spark_entities.udfs.errors import DeviceError, InferenceError
from spark_entities.udfs.memory import return_memory
from spark_entities.udfs.model import LoadedModel

log = logging.getLogger("spark_entities.forward")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How large batches and buffers should be on a device."""

    max_padded_tokens: int
    batch_cost_tokens: int  # what a batch costs beside its tokens
    width_multiple: int
    buffer_chars: int  # many batches, since their windows are sorted by length


# Small batches stay in a CPU's cache, large ones fill a GPU, whose tensor cores take eights.
# `spark_entities.jobs.benchmark sweep` measures the budgets.
_SIZES = {
    "cpu": Sizes(
        max_padded_tokens=1024, batch_cost_tokens=32, width_multiple=1, buffer_chars=1 << 18
    ),
    "cuda": Sizes(
        max_padded_tokens=32_768, batch_cost_tokens=1024, width_multiple=8, buffer_chars=1 << 20
    ),
}
_OUT_OF_MEMORY = ("out of memory", "CUBLAS_STATUS_ALLOC_FAILED")  # of errors of other classes
_DEVICE_FAILED = ("CUDA error", "CUBLAS_STATUS", "CUDNN_STATUS")


def sizes_for(device: torch.device) -> Sizes:
    """Return the sizes that suit a device; those of a GPU for a kind that was never measured."""
    return _SIZES.get(device.type, _SIZES["cuda"])


@contextmanager
def _device_failures(device: torch.device) -> Iterator[None]:
    """Name a device that failed: a kernel's error surfaces at some later call, or at the fetch."""
    try:
        yield
    except RuntimeError as error:
        if _ran_out_of_memory(error) or not _device_failed(error):
            raise
        raise DeviceError(
            f"{type(error).__name__} on {device}: this worker ends, and Spark tries its task again "
            f"on a fresh one"
        ) from error


def predict(
    model: LoadedModel,
    encoding: Encoding,
    *,
    max_padded_tokens: int | None,
    with_probabilities: bool,
) -> Predictions:
    """Run the model over all windows and keep, of each token, what its owner says.

    Where memory runs out, the batch is halved, and so are all after it.

    Args:
        model: remembers the largest batch that its device can hold.
        encoding: of a buffer.
        max_padded_tokens: budget of a batch; the device's own when absent.
        with_probabilities: keep those of all labels.

    Raises:
        InferenceError: if a single window does not fit, or a score is not a finite number.
        DeviceError: if the device has become unusable.

    """
    started = time.monotonic()
    lengths = encoding.windows.ends - encoding.windows.starts + model.frame.num_special_tokens
    sizes = sizes_for(model.device)
    num_tokens, num_labels = len(encoding.tokens.ids), len(model.scheme.labels)
    shape = (num_tokens, num_labels) if with_probabilities else (0, num_labels)
    with _device_failures(model.device), torch.inference_mode():
        run = _Run(
            model=model,
            encoding=encoding,
            widths=np.minimum(_round_up(lengths, sizes.width_multiple), model.max_positions),
            max_padded_tokens=max_padded_tokens or sizes.max_padded_tokens,
            batch_cost_tokens=sizes.batch_cost_tokens,
            label_ids=torch.zeros(num_tokens, dtype=torch.int64, device=model.device),
            scores=torch.zeros(num_tokens, device=model.device),
            probabilities=torch.zeros(shape, device=model.device),
        )
        num_padded_tokens = run.classify(np.arange(len(lengths)))
        label_ids, scores = run.label_ids.cpu().numpy(), run.scores.cpu().numpy()
        probabilities = run.probabilities.cpu().numpy() if with_probabilities else None
    if not np.isfinite(scores).all():
        raise InferenceError("the model gave a score that is not a finite number")
    return Predictions(
        label_ids=label_ids,
        scores=scores,
        probabilities=probabilities,
        cost=Cost(
            num_model_tokens=int(lengths.sum()),
            num_padded_tokens=num_padded_tokens,
            forward_seconds=time.monotonic() - started,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """The windows of a buffer, and what the model has said of its tokens, on the device."""

    model: LoadedModel
    encoding: Encoding
    widths: Ints  # (num_windows,): tokens, rounded up to what the device likes
    max_padded_tokens: int
    batch_cost_tokens: int
    label_ids: torch.Tensor  # int64, (num_tokens,)
    scores: torch.Tensor  # float32, (num_tokens,)
    probabilities: torch.Tensor  # float32, (num_tokens, num_labels), or no rows if none are wanted

    def classify(self, windows: Ints) -> int:
        """Classify some windows in batches that fit in memory; return their padded tokens."""
        memory = self.model.memory
        num_padded_tokens = 0
        for rows in self._plan(windows):
            width = int(self.widths[rows].max())
            if memory.admits(len(rows), width) and self._keep(rows, width):
                num_padded_tokens += len(rows) * width
                return_memory()
            else:  # it has just become smaller
                num_padded_tokens += self.classify(rows)
        return num_padded_tokens

    def _plan(self, windows: Ints) -> Iterator[Ints]:
        batches = plan_batches(
            self.widths[windows],
            max_padded_tokens=min(self.max_padded_tokens, self.model.memory.max_padded_tokens),
            batch_cost_tokens=self.batch_cost_tokens,
        )
        return (windows[rows] for rows in batches)

    def _keep(self, rows: Ints, width: int) -> bool:
        """Run the model over a batch and keep what it says, unless there is no memory for it."""
        encoding, model = self.encoding, self.model
        batch = lay_out(encoding.tokens.ids, encoding.windows, rows, model.frame, width)
        try:
            self._run(batch)
        except RuntimeError as error:
            if not _ran_out_of_memory(error):
                raise
            reason = f"{type(error).__name__} on {model.device}"
        else:
            return True
        # Only now: the error held on to memory.
        if model.device.type == "cuda":
            torch.cuda.empty_cache()
        if len(rows) == 1:
            raise InferenceError(f"{reason}: one window of {width} tokens does not fit in memory")
        model.memory.halve(len(rows) * width)
        log.warning(
            "%s with a batch of %d padded tokens; from now on, at most %d (set "
            "classify.max_padded_tokens to begin with that).",
            *(reason, len(rows) * width, model.memory.max_padded_tokens),
        )
        return False

    def _run(self, batch: Batch) -> None:
        logits = self.model.network(
            input_ids=self._on_device(batch.input_ids),
            attention_mask=self._on_device(batch.attention_mask),
        ).logits
        tokens = self._on_device(batch.tokens)
        owned = logits.flatten(0, 1)[self._on_device(batch.places)]  # (owned, num_labels)
        distribution = owned.float().softmax(dim=-1)
        best = distribution.max(dim=-1)
        sound = owned.isfinite().all(dim=-1)
        self.label_ids[tokens] = best.indices
        self.scores[tokens] = best.values.where(sound, torch.nan)
        if len(self.probabilities):
            self.probabilities[tokens] = distribution

    def _on_device(self, array: Ints | None) -> torch.Tensor | None:
        """Copy to the device without waiting for it, from memory that cannot be paged out."""
        if array is None:
            return None
        tensor = torch.from_numpy(array)
        if self.model.device.type == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(self.model.device, non_blocking=True)


def _round_up(values: Ints, multiple: int) -> Ints:
    return -(-values // multiple) * multiple


def _ran_out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or any(
        sign in str(error) for sign in _OUT_OF_MEMORY
    )


def _device_failed(error: RuntimeError) -> bool:
    return isinstance(error, torch.AcceleratorError) or any(
        sign in str(error) for sign in _DEVICE_FAILED
    )
