"""Memory while a model runs: what a device was found to hold, what is given back to the system.

Must not import: anything of this project, pyspark, torch.

Batches come in ever new shapes, and glibc keeps what they leave behind: if nothing is given back, a
worker's peak grows with the documents it has seen.
"""

from __future__ import annotations

import ctypes
import sys
import time
from dataclasses import dataclass

_EVERY_SECONDS = 0.5  # it takes milliseconds

_last = 0.0


@dataclass(slots=True)
class DeviceMemory:
    """The largest batch that a device was found to hold; no bound until one did not fit."""

    max_padded_tokens: int = sys.maxsize

    def admits(self, num_windows: int, padded_tokens: int) -> bool:
        """Tell whether to try a batch; one of a single window is always tried."""
        return num_windows == 1 or padded_tokens <= self.max_padded_tokens

    def halve(self, padded_tokens: int) -> None:
        """Remember that a batch did not fit."""
        self.max_padded_tokens = padded_tokens // 2


def return_memory() -> None:
    """Give back what is free in the heap, unless that was done a moment ago."""
    global _last  # one heap, one clock
    now = time.monotonic()
    if sys.platform != "linux" or now - _last < _EVERY_SECONDS:
        return
    _last = now
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:  # it is glibc's
        trim(0)
