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


class _ScaledRows(torch.nn.Module):
    """A linear layer in 8-bit integers, in which each token is scaled by its own largest number.

    torch scales all tokens of a batch alike, by the largest of them; and a few tokens have numbers
    many times those of the others (Sun et al. 2024, arXiv 2402.17762), which leaves these with a
    few of the 256 steps.
    """

    def __init__(self, linear: torch.ao.nn.quantized.dynamic.Linear) -> None:
        super().__init__()
        bias = linear.bias()  # type: ignore[no-untyped-call]
        self.bias = torch.zeros(()) if bias is None else bias
        linear.set_weight_bias(linear.weight(), None)  # type: ignore[no-untyped-call]
        self.linear = linear

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Multiply: (…, features) to (…, outputs)."""
        sizes = rows.abs().amax(-1, keepdim=True).clamp_min(torch.finfo(rows.dtype).tiny)
        return torch.addcmul(self.bias, self.linear(rows / sizes), sizes)


def quantize(network: torch.nn.Module) -> None:
    """Let a network multiply in 8-bit integers, scaled by token and by output channel.

    What is no linear layer stays float32.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch advises to move to torchao, which needs a compiler
        quantization = torch.ao.quantization
        quantization.quantize_dynamic(  # type: ignore[no-untyped-call]
            network, {torch.nn.Linear: quantization.per_channel_dynamic_qconfig}, inplace=True
        )
    for module in [*network.modules()]:
        for name, child in [*module.named_children()]:
            if isinstance(child, torch.ao.nn.quantized.dynamic.Linear):
                setattr(module, name, _ScaledRows(child))
