"""Counts what reads the values of tensors: on a GPU, the host would wait there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

_READERS = {"_local_scalar_dense", "equal", "is_nonzero", "item", "masked_select", "nonzero"}
_INDEXERS = {"index", "index_put", "index_put_", "_index_put_impl_"}  # by booleans, they count them


class Reads(TorchDispatchMode):
    """While entered, the names of what reads."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name = func.overloadpacket.__name__  # type: ignore[attr-defined]
        by_booleans = name in _INDEXERS and any(
            index is not None and index.dtype == torch.bool for index in args[1]
        )
        if name in _READERS or by_booleans:
            self.names.append(name)
        return func(*args, **kwargs or {})
