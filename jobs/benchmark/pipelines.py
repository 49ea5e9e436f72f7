"""transformers' pipeline, as its users write it: what the rivals run, with Spark or without.

Must not import: pyspark.
"""

from __future__ import annotations

from typing import Any

_STRIDE = 128
WINDOW = 512


def count_tokens(network: Any, counts: dict[str, int]) -> None:
    """Add to `tokens` and `padded_tokens` what a network is given from now on."""

    def count(_: Any, args: Any, kwargs: dict[str, Any]) -> None:  # noqa: ARG001
        mask = kwargs["attention_mask"]
        counts["tokens"] += int(mask.sum())
        counts["padded_tokens"] += mask.numel()

    network.register_forward_pre_hook(count, with_kwargs=True)


def make_pipeline(model: str, device: str, dtype: Any) -> Any:
    """Load the pipeline of a checkpoint, reading long texts in overlapping windows."""
    from transformers import AutoTokenizer, pipeline

    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.model_max_length = WINDOW
    return pipeline(
        "token-classification",
        model=model,
        tokenizer=tokenizer,
        dtype=dtype,
        aggregation_strategy="first",
        stride=_STRIDE,
        device=device,
    )
