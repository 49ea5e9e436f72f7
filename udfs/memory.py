"""Give freed memory back to the system while a model runs.

Must not import: anything of this project, pyspark, torch.

Batches come in ever new shapes, and glibc keeps what they leave behind: without this, a worker's
peak grows with the documents it has seen.
"""

from __future__ import annotations

import ctypes
import sys
import time

_EVERY_SECONDS = 0.5  # it takes milliseconds

_last = 0.0


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
