"""The measurements: each is a function of its options, whose docstring is its help."""

from __future__ import annotations

import argparse
import importlib.util
import statistics
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spark_entities.jobs.benchmark.output import print_table, save_chart, save_json
from spark_entities.jobs.benchmark.workload import SCENARIOS, find_model, make_documents
from spark_entities.udfs.options import ModelOptions

if TYPE_CHECKING:
    from spark_entities.jobs.benchmark.race import Comparison

_BUDGETS = {
    "cpu": (256, 512, 1024, 2048, 4096, 16_384),
    "cuda": (8192, 16_384, 32_768, 65_536, 131_072),
}
_REFERENCES = ("ours, pandas", "ours, arrow")  # float32, as the rivals


def spark(options: argparse.Namespace) -> None:
    """Ours and its rivals under Spark, on the same files, beside the bare model's limit."""
    from spark_entities.jobs.benchmark.race import Scenario, compare

    scenario = Scenario(
        lengths=options.scenario,
        model=options.model,
        documents=options.documents,
        repeats=options.repeats,
        cores=options.cores,
        task_cpus=options.task_cpus,
        only=options.only,
        folder=options.output,
    )
    comparison = compare(scenario)
    title = (
        f"{scenario.documents:,} documents, {scenario.lengths}; {scenario.model}; "
        f"{scenario.slots} task(s) of {scenario.task_cpus} core(s); "
        f"limit {comparison.limit:,.0f} tokens/s"
    )
    _print_comparison(title, comparison)
    tasks = f"{scenario.slots}x{scenario.task_cpus}"
    name = f"spark-{scenario.lengths}-{Path(scenario.model).name}-{tasks}"
    save_json(options.output / f"{name}.json", _figures(comparison))
    if importlib.util.find_spec("matplotlib"):
        speeds = {each.name: comparison.speed(each) for each in comparison.contenders}
        save_chart(options.output / f"{name}.png", title, speeds, comparison.limit)


def _print_comparison(title: str, comparison: Comparison) -> None:
    documents, contenders = comparison.scenario.documents, comparison.contenders
    ours = min(c.median_seconds for c in contenders if c.name in _REFERENCES)
    columns = ["contender", "documents/s", "tokens/s", "time to ours", "of limit", "padding"]
    print_table(
        title,
        [*columns, "loads", "peak MiB", "entities"],
        [
            (
                c.name + (" (truncates)" if comparison.truncates(c) else ""),
                f"{documents / c.median_seconds:,.1f}",
                f"{comparison.speed(c):,.0f}",
                f"{c.median_seconds / ours:.2f}",
                f"{comparison.speed(c) / comparison.limit:.0%}",
                f"{c.padding_share:.1%}",
                str(c.loads),
                f"{c.peak_mib:,}" if c.in_spark else "–",
                f"{c.entities:,}",
            )
            for c in contenders
        ],
    )


def _figures(comparison: Comparison) -> dict[str, Any]:
    return {
        "limit_tokens_per_second": comparison.limit,
        "model_tokens": comparison.model_tokens,
        "contenders": {
            c.name: {
                "seconds": c.seconds,
                "padding_share": c.padding_share,
                "model_loads": c.loads,
                "peak_mib": c.peak_mib if c.in_spark else None,
                "entities": c.entities,
                "truncates": comparison.truncates(c),
            }
            for c in comparison.contenders
        },
    }


def sweep(options: argparse.Namespace) -> None:
    """The engine with one budget of padded tokens after the other."""
    import torch

    from spark_entities.jobs.benchmark import engine
    from spark_entities.udfs.classifier import TokenClassifier

    torch.set_num_threads(options.cores)
    checkpoint = ModelOptions(name=find_model(options.model, options.output / "models"))
    model = TokenClassifier.load(checkpoint, device=options.device).model
    documents = make_documents(options.scenario, options.documents)
    budgets = options.budgets or _BUDGETS.get(model.device.type, _BUDGETS["cuda"])
    rows = engine.sweep(model, documents, budgets, options.repeats)
    best = max(speed for _, speed, _ in rows)
    print_table(
        f"{options.documents:,} documents, {options.scenario}; {options.model}; "
        f"{options.cores} core(s)",
        ["padded tokens", "tokens/s", "of best", "padding"],
        [(f"{b:,}", f"{s:,.0f}", f"{s / best:.2f}", f"{p:.1%}") for b, s, p in rows],
    )


def engine(options: argparse.Namespace) -> None:
    """The engine beside transformers' pipeline, without Spark, and what of the device they use."""
    import torch

    from spark_entities.jobs.benchmark.engine import compare_on_device
    from spark_entities.jobs.benchmark.pipelines import make_pipeline
    from spark_entities.udfs.classifier import TokenClassifier

    torch.set_num_threads(options.cores)
    folder = find_model(options.model, options.output / "models")
    checkpoint = ModelOptions(name=folder, precision=options.precision)
    classifier = TokenClassifier.load(checkpoint, device=options.device)
    dtype = next(classifier.model.network.parameters()).dtype
    pipeline = make_pipeline(folder, options.device, dtype)
    documents = make_documents(options.scenario, options.documents)
    speeds = compare_on_device(
        classifier, pipeline, documents, options.batch_sizes, options.repeats
    )
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    title = f"{len(documents):,} documents, {options.scenario}; {options.model}; {dtype}; {name}"
    print_table(
        title,
        ["contender", "tokens/s", "time to ours", "of matmul", "GPU idle", "padding"],
        [
            (
                speed.name,
                f"{speed.tokens_per_second:,.0f}",
                f"{speeds[0].tokens_per_second / speed.tokens_per_second:.2f}",
                f"{speed.utilisation:.0%}",
                "–" if speed.idle_share is None else f"{speed.idle_share:.0%}",
                f"{speed.padding_share:.1%}",
            )
            for speed in speeds
        ],
    )
    figures = {"title": title, "contenders": [asdict(speed) for speed in speeds]}
    save_json(options.output / f"engine-{Path(options.model).name}-{options.device}.json", figures)


def precision(options: argparse.Namespace) -> None:
    """The engine in each precision: speed, and agreement of its entities with float32's."""
    import torch

    from spark_entities.jobs.benchmark import engine

    torch.set_num_threads(options.cores)
    documents = make_documents(options.scenario, options.documents)
    if options.texts:
        documents = options.texts.read_text("utf-8").splitlines()[: options.documents]
    model = find_model(options.model, options.output / "models")
    rows = engine.compare_precisions(model, options.precisions, documents, options.repeats)
    print_table(
        f"{len(documents):,} documents; {options.model}; {options.cores} core(s)",
        ["precision", "speed to float32", "agreement"],
        [(name, f"{speed:.2f}", f"{agreement:.3f}") for name, speed, agreement in rows],
    )


def profile(options: argparse.Namespace) -> None:
    """The plumbing alone: the bundled tokenizer, and a network that costs nothing."""
    import torch

    from spark_entities.jobs.benchmark.plumbing import free_classifier, profile_plumbing

    torch.set_num_threads(options.cores)
    classifier = free_classifier(ModelOptions())
    rows = []
    for scenario in SCENARIOS:
        count = max(1, round(options.words / statistics.mean(_sizes(scenario))))
        runs = [
            profile_plumbing(
                classifier,
                make_documents(scenario, count, seed=2 * repeat),
                make_documents(scenario, count, seed=2 * repeat + 1),
            )
            for repeat in range(options.repeats + 1)
        ][1:]
        tokens = statistics.median(tokens for _, tokens in runs)
        seconds = {
            hop: statistics.median(seconds[hop] for seconds, _ in runs) for hop in runs[0][0]
        }
        rows += [
            (
                f"{scenario}: {hop}",
                f"{spent:.2f}",
                f"{tokens / spent:,.0f}",
                f"{count / spent:,.0f}",
            )
            for hop, spent in seconds.items()
        ]
    print_table("plumbing", ["hop", "seconds", "tokens/s", "documents/s"], rows)


def _sizes(scenario: str) -> list[int]:
    return [document.count(" ") + 1 for document in make_documents(scenario, 1000)]


def growth(options: argparse.Namespace) -> None:
    """The whole job over ever more titles: speed, and the memory of worker and driver."""
    from spark_entities.jobs.benchmark.growth import grow

    rows = list(grow(options.model, options.counts, options.cores, options.output))[1:]
    print_table(
        f"titles; {options.model}; {options.cores} task(s) of one core",
        ["documents", "seconds", "tokens/s", "worker's peak MiB", "driver MiB"],
        [
            (
                f"{row.documents:,}",
                f"{row.seconds:,.1f}",
                f"{row.tokens_per_second:,.0f}",
                f"{row.worker_peak_mib:,}",
                f"{row.driver_mib:,}",
            )
            for row in rows
        ],
    )


def memory(options: argparse.Namespace) -> None:
    """Workers of one host with the same model: what they share, what each has to itself."""
    from spark_entities.jobs.benchmark.processes import shared_memory

    model = find_model(options.model, options.output / "models")
    rows = [(count, *shared_memory(model, count)) for count in options.workers]
    print_table(
        f"{options.model}, float32",
        ["workers", "resident MiB of one", "private MiB of one", "MiB of all"],
        [tuple(f"{figure:,}" for figure in row) for row in rows],
    )
