"""In which number format a network computes, on which device.

Must not import: pyspark, transformers.
"""

from __future__ import annotations

import warnings

import torch

from spark_entities.udfs.options import Precision

_STORED_AS: dict[Precision, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "int8": torch.float32,  # until `quantize`
}


def resolve_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """Choose the weights' format: `auto` takes the smallest that the device computes natively."""
    if precision != "auto":
        return _STORED_AS[precision]
    if device.type == "cuda":
        capable = torch.cuda.get_device_capability(device) >= (8, 0)
        return torch.bfloat16 if capable else torch.float16
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if native else torch.float32


def quantize(network: torch.nn.Module) -> None:
    """Let a network multiply in 8-bit integers, scaled by output channel; the rest is float32."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch advises to move to torchao, which needs a compiler
        quantization = torch.ao.quantization
        quantization.quantize_dynamic(  # type: ignore[no-untyped-call]
            network, {torch.nn.Linear: quantization.per_channel_dynamic_qconfig}, inplace=True
        )
