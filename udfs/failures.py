"""What torch's errors say of a device: memory has run out, or it has become unusable.

Must not import: pyspark, transformers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from spark_entities.udfs.errors import DeviceError

# Of errors of other classes; the last is of a CPU.
_OUT_OF_MEMORY = ("out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "can't allocate memory")
_DEVICE_FAILED = ("CUDA error", "CUBLAS_STATUS", "CUDNN_STATUS")


@contextmanager
def device_failures(device: torch.device) -> Iterator[None]:
    """Name a device that failed: a kernel's error surfaces at some later call, or at the fetch.

    Raises:
        DeviceError: if the device has become unusable.

    """
    try:
        yield
    except RuntimeError as error:
        if ran_out_of_memory(error) or not _device_failed(error):
            raise
        raise DeviceError(
            f"{type(error).__name__} on {device}: this worker ends, and Spark tries its task again "
            f"on a fresh one"
        ) from error


def ran_out_of_memory(error: RuntimeError) -> bool:
    """Tell whether a device had no memory for what it was given."""
    return isinstance(error, torch.OutOfMemoryError) or any(
        sign in str(error) for sign in _OUT_OF_MEMORY
    )


def _device_failed(error: RuntimeError) -> bool:
    return isinstance(error, torch.AcceleratorError) or any(
        sign in str(error) for sign in _DEVICE_FAILED
    )
