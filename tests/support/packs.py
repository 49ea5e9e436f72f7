"""Attention over windows end to end, by its definition: what kernels of variable length compute.

Stands in for `torch.nn.attention.varlen`, which runs on GPUs alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from spark_entities.udfs import attention


def attend_window_by_window(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cu_seq_q: torch.Tensor,
    cu_seq_k: torch.Tensor,
    max_q: int,
    max_k: int,
    *,
    scale: float | None,
    window_size: tuple[int, int],
) -> torch.Tensor:
    """Attend in each window: softmax of scaled products, times values.

    Queries, keys, values and what is returned: (tokens, heads, size of a head).
    """
    assert cu_seq_q.dtype == torch.int32
    assert torch.equal(cu_seq_q, cu_seq_k)
    assert cu_seq_q.diff().max() == max_q == max_k
    assert cu_seq_q[-1] == len(query)
    outputs = []
    for start, end in itertools.pairwise(cu_seq_q.tolist()):
        q, k, v = (each[start:end].transpose(0, 1) for each in (query, key, value))
        products = q @ k.mT * (scale or query.shape[-1] ** -0.5)
        place = torch.arange(end - start)
        distance = place[None] - place[:, None]  # of the key from the query
        left, right = window_size
        hidden = (left >= 0) & (distance < -left) | (right >= 0) & (distance > right)
        weights = products.masked_fill(hidden, -torch.inf).softmax(dim=-1)
        outputs.append((weights @ v).transpose(0, 1))
    return torch.cat(outputs)


@contextmanager
def packs_on_cpu() -> Iterator[None]:
    """Let networks on a CPU take windows end to end, in any precision."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention, "_attend_to_windows", attend_window_by_window)
        patch.setattr(attention, "_no_kernel", lambda *_: None)
        yield
