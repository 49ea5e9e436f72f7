"""What only a GPU can show: run by hand on a machine with a GPU, torch, transformers and pyarrow.

    python -m tests.gpu.bare [--only large …] [--output FILE]

Must not import: pyspark, pytest, or anything else that such a machine may lack. Checks first, then
speed; it ends with status 1 if a check fails. A few minutes all told.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import transformers
from transformers import AutoTokenizer, TokenClassificationPipeline

from spark_entities.jobs.benchmark.engine import (
    agreement,
    classify,
    idle_share,
    matmul_speed,
    mentions,
    model_flop,
    window_lengths,
)
from spark_entities.jobs.benchmark.plumbing import free_classifier
from spark_entities.jobs.benchmark.workload import make_documents, make_network
from spark_entities.udfs import sizes
from spark_entities.udfs.attention import attend_our_way
from spark_entities.udfs.checkpoint import BUNDLED_FOLDER
from spark_entities.udfs.classifier import TokenClassifier
from spark_entities.udfs.core.labels import LabelScheme
from spark_entities.udfs.model import load_model, wrap_network
from spark_entities.udfs.options import ClassifyOptions, ModelOptions
from tests.gpu.console import check, exit_status, say

GPU = torch.device("cuda:0")
CPU = torch.device("cpu")
DOCUMENTS = {"large": 40_000, "base": 50_000, "bundled": 50_000}  # seconds of work
SAMPLE, BATCH_SIZES = 400, (8, 32, 128)  # of the pipeline
WINDOW = 512


def make_classifier(shape: str) -> TokenClassifier:
    """Make a network of a shape on the GPU, in bfloat16, and prepare it as `load_model` would."""
    torch.set_default_dtype(torch.bfloat16)
    with GPU:
        network = make_network(shape)
    torch.set_default_dtype(torch.float32)
    attend_our_way(network)
    scheme = LabelScheme.from_id2label(network.config.id2label)
    model = wrap_network(network, BUNDLED_FOLDER, scheme, GPU)
    return TokenClassifier(model=model, options=ClassifyOptions())


def half_precision(name: str) -> TokenClassifier:
    """Return the bundled model, or one of a shape, in bfloat16."""
    if name == "bundled":
        return bundled("bfloat16", GPU)
    return make_classifier(f"xlm-roberta-{name}")


def bundled(precision: str, device: torch.device) -> TokenClassifier:
    """Load the bundled model."""
    model = load_model(ModelOptions(precision=precision), str(device))
    return TokenClassifier(model=model, options=ClassifyOptions())


def padded(classifier: TokenClassifier) -> TokenClassifier:
    """Return a classifier that lays its windows side by side."""
    return replace(classifier, model=replace(classifier.model, first_position=None))


def label_ids(classifier: TokenClassifier, documents: Sequence[str]) -> np.ndarray:
    """Return the label of each token."""
    return classifier.forward(classifier.encode(documents)).label_ids


def median(times: int, act: Callable[[], Any]) -> tuple[Any, float]:
    """Act some times after one to warm up; return the last result and the median of seconds."""
    seconds = []
    for _ in range(times + 1):
        begun = time.monotonic()
        result = act()
        seconds.append(time.monotonic() - begun)
    return result, float(np.median(seconds[1:]))


def check_results(documents: Sequence[str]) -> None:
    """Compare devices, precisions and layouts, by the bundled model."""
    exact = label_ids(bundled("float32", CPU), documents)
    on_gpu = bundled("float32", GPU)
    same = (label_ids(on_gpu, documents) == exact).mean()
    check(same >= 0.9999, f"float32, GPU and CPU: {same:.5%} of {len(exact):,} labels are equal")
    half = bundled("bfloat16", GPU)
    check(half.model.first_position is not None, "bfloat16 goes in packs")
    for name, classifier in (("packed", half), ("padded", padded(half))):
        same = (label_ids(classifier, documents) == exact).mean()
        check(same >= 0.995, f"bfloat16, {name}, and float32: {same:.3%} of labels are equal")


def check_waiting(classifier: TokenClassifier, documents: Sequence[str]) -> None:
    """Have torch raise whenever the host waits for the GPU."""
    for name, each in (("packed", classifier), ("padded", padded(classifier))):
        encoding = each.encode(documents)
        each.forward(encoding)
        torch.cuda.set_sync_debug_mode("error")
        try:
            launched = each.launch(encoding)
        except RuntimeError as error:
            check(False, f"launching waits for the GPU, {name}: {error}")
        else:
            check(True, f"launching never waits for the GPU, {name}")
            launched.collect()
        finally:
            torch.cuda.set_sync_debug_mode("default")


def check_memory(classifier: TokenClassifier, documents: Sequence[str], gib: float) -> None:
    """Hold the process to some memory of the GPU; results are to stay the same."""
    expected = classifier.classify(documents).field("entities")
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(GPU).total_memory
    held = torch.cuda.memory_allocated(GPU)
    torch.cuda.set_per_process_memory_fraction((held + gib * 2**30) / total)
    try:
        rows = classifier.classify(documents)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    budget = classifier.model.memory.max_padded_tokens
    check(budget < sys.maxsize, f"{gib} GiB beside the weights: memory ran out, then {budget:,}")
    check(rows.field("error").null_count == len(rows), "no document has an error for it")
    before, after = mentions(expected.to_pylist()), mentions(rows.field("entities").to_pylist())
    shared = agreement(before, after)
    check(shared > 0.99, f"{shared:.2%} of {len(before):,} mentions are the same")


def check_nan(documents: Sequence[str]) -> None:
    """Break a weight."""
    broken = bundled("bfloat16", GPU)
    with torch.no_grad():
        next(broken.model.network.parameters()).fill_(torch.nan)
    errors = broken.classify(documents).field("error").drop_null().unique().to_pylist()
    check(len(errors) == 1 and "not a finite number" in errors[0], f"NaN weights: {errors}")


def check_all(documents: Sequence[str]) -> None:
    """Compare results, then what happens when a GPU is short of something."""
    check_results(documents[:300])
    half = bundled("bfloat16", GPU)
    check_waiting(half, documents[:1000])
    check_memory(half, documents[:2000], 0.25)
    check_nan(documents[:20])


def measure(name: str, documents: Sequence[str]) -> dict[str, Any]:
    """Measure the engine, packed and padded, and the pipeline beside it."""
    classifier = half_precision(name)
    model = classifier.model
    peak, half = matmul_speed(GPU, model.network.dtype), documents[: len(documents) // 2]
    figures: dict[str, Any] = {"matmul_tflops": peak / 1e12}
    ways = ("packed", 2, classifier, documents), ("padded", 1, padded(classifier), half)
    for layout, repeats, each, texts in ways:
        lengths = window_lengths(each, texts)
        tokens, flop = int(lengths.sum()), model_flop(model.network, lengths)
        torch.cuda.reset_peak_memory_stats()
        cost, seconds = median(repeats, partial(classify, each, texts))
        figures[layout] = {
            "tokens": tokens,
            "tokens_per_second": tokens / seconds,
            "of_matmul": flop / seconds / peak,
            "device_share": cost.forward_seconds / seconds,
            "padding": 1 - tokens / cost.num_padded_tokens,
            "peak_gib": torch.cuda.max_memory_allocated() / 2**30,
        }
        if layout == "packed":  # half of them, since to trace is slow
            _, figures[layout]["idle"] = idle_share(partial(classify, each, half), GPU)
        say(f"{name}, {layout}: {_show(figures[layout])}")
    some, rates = list(documents[:SAMPLE]), {}
    lengths = window_lengths(classifier, some)
    model.network.set_attn_implementation("sdpa")  # as its users have it
    tokenizer = AutoTokenizer.from_pretrained(BUNDLED_FOLDER)
    tokenizer.model_max_length = WINDOW
    pipeline = TokenClassificationPipeline(
        model=model.network,
        tokenizer=tokenizer,
        device=GPU,
        aggregation_strategy="first",
        stride=128,
    )
    for batch_size in BATCH_SIZES:
        _, seconds = median(1, partial(pipeline, some, batch_size=batch_size))
        rates[batch_size] = int(lengths.sum()) / seconds
    figures["pipeline"] = rates
    ratio = figures["packed"]["tokens_per_second"] / max(rates.values())
    say(f"{name}, pipeline: {_show(rates)}; ours to its best {ratio:.1f}")
    return figures


def measure_feeding(documents: Sequence[str]) -> dict[int, float]:
    """Return tokens/s from texts to rows with a network that costs nothing, by encoding threads."""
    free = free_classifier(ModelOptions(precision="bfloat16"), device=str(GPU))
    rates = {}
    for encoders in (1, 2, 3, 4):
        with_encoders = replace(sizes._PACKED, encoders=encoders)
        with patch.object(sizes, "_PACKED", with_encoders):
            cost, seconds = median(2, partial(classify, free, documents))
        rates[encoders] = cost.num_model_tokens / seconds
    say(f"feeding, tokens/s by encoding threads: {_show(rates)}")
    return rates


def measure_float8(tokens: int) -> dict[str, float]:
    """Return the milliseconds of the linear layers of an XLM-R large layer, in either precision.

    As float8 needs it, activations are scaled by row and rounded before each product.
    """

    def quantised(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scale = values.abs().amax(dim=-1, keepdim=True).float() / 448
        return (values / scale).to(torch.float8_e4m3fn), scale

    def milliseconds(act: Callable[[], Any]) -> float:
        act()
        torch.cuda.synchronize()
        begun = time.monotonic()
        for _ in range(20):
            act()
        torch.cuda.synchronize()
        return (time.monotonic() - begun) * 1000 / 20

    figures = {"bfloat16": 0.0, "float8, values given": 0.0, "float8": 0.0}
    for times, inputs, outputs in ((4, 1024, 1024), (1, 1024, 4096), (1, 4096, 1024)):
        make = partial(torch.randn, device=GPU, dtype=torch.bfloat16)
        hidden, weight, bias = make(tokens, inputs), make(outputs, inputs), make(outputs)
        weight8, weight_scale = quantised(weight)
        hidden8, hidden_scale = quantised(hidden)

        def product8(values: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
            return torch._scaled_mm(
                values,
                weight8.t(),  # noqa: B023
                scale_a=scale,
                scale_b=weight_scale.t(),  # noqa: B023
                bias=bias,  # noqa: B023
                out_dtype=torch.bfloat16,
            )

        exact = partial(torch.nn.functional.linear, hidden, weight, bias)
        figures["bfloat16"] += times * milliseconds(exact)
        given = partial(product8, hidden8, hidden_scale)
        figures["float8, values given"] += times * milliseconds(given)
        figures["float8"] += times * milliseconds(lambda: product8(*quantised(hidden)))  # noqa: B023
    say(f"linear layers, {tokens:,} tokens, ms a layer: {_show(figures)}")
    return figures


def _show(figures: dict[Any, float]) -> str:
    return ", ".join(
        f"{key} {value:,.0f}" if value > 100 else f"{key} {value:.3f}"
        for key, value in figures.items()
    )


def main() -> int:
    """Check, then measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = ["checks", "feeding", "float8", *DOCUMENTS]
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    figures: dict[str, Any] = {
        "gpu": torch.cuda.get_device_name(GPU),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    say(str(figures))
    documents = make_documents("mixed", max(DOCUMENTS.values()))
    sections: dict[str, Callable[[], Any]] = {
        "checks": partial(check_all, documents),
        **{name: partial(measure, name, documents[:count]) for name, count in DOCUMENTS.items()},
        "feeding": partial(measure_feeding, documents[:20_000]),
        "float8": partial(measure_float8, 65_536),
    }
    for name in options.only:
        try:
            figures[name] = sections[name]()
        except Exception as error:  # the others are worth the machine's time
            check(False, f"{name} ended in {error!r}")
        torch.cuda.empty_cache()
        if options.output:
            options.output.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    return exit_status()


if __name__ == "__main__":
    sys.exit(main())
