"""Names of array types, and what NumPy lacks for flat values with row splits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]


def ragged_range(starts: NDArray[Any], sizes: NDArray[Any]) -> Ints:
    """Return the places of ranges, end to end.

    >>> ragged_range(np.array([7, 0]), np.array([2, 3]))
    array([7, 8, 0, 1, 2])
    """
    ends = np.cumsum(sizes)
    total = int(ends[-1]) if len(ends) else 0
    places: Ints = np.arange(total) + np.repeat(starts - ends + sizes, sizes)
    return places
