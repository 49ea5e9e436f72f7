"""transformers' pipeline, as its users write it: what the rivals run, with Spark or without.

Must not import: pyspark.
"""

from __future__ import annotations

from typing import Any

_STRIDE = 128
WINDOW = 512


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
