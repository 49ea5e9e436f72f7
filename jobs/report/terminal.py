"""What a job tells the person who ran it.

Must not import: torch, transformers.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce
from operator import or_
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from rich.box import ROUNDED
from rich.console import Console
from rich.table import Table
from rich.text import Text

from spark_entities.jobs.config import PlanConfig
from spark_entities.jobs.enrichment.estimate import Estimate
from spark_entities.jobs.enrichment.metrics import Summary
from spark_entities.jobs.report.marks import places
from spark_entities.jobs.tables.columns import field, quoted
from spark_entities.jobs.tables.result_columns import TextColumn

_COLOURS = ("bold cyan", "bold magenta", "bold green", "bold yellow", "bold blue", "bold red")
_SHOWN_CHARS = 300
_SHOWN_ENTITIES = 8
_PLAIN_WIDTH = 110  # columns, where the output is no terminal
_CONTROLS = dict.fromkeys({*range(32), *range(127, 160)} - {9, 10}, "\ufffd") | {13: " "}

Entity = Mapping[str, Any]  # with the keys of a result's entities


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A text, as it is shown, and what was found in it."""

    text: str | None
    entities: Sequence[Entity] | None
    error: str | None
    marks: Sequence[Entity] | None = None  # what is marked in the text, if not the entities


def make_console() -> Console:
    """Make a console for standard output: in colour on a terminal, wide enough elsewhere."""
    width = None if sys.stdout.isatty() else _PLAIN_WIDTH
    return Console(width=width, highlight=False, soft_wrap=False)


def print_summary(summary: Summary) -> None:
    """Print a run's summary."""
    mentions = [f"{count:,} {group}" for group, count in summary.entities.items()]
    left_out = f"{summary.num_left_out:,} by classify.labels and classify.min_score"
    rows = {
        "documents": f"{summary.documents:,}",
        "entities": f"{sum(summary.entities.values()):,} ({', '.join(mentions)})",
        "left out": left_out if summary.num_left_out else None,
        "errors": f"{summary.failed:,}",
        "tokens": f"{summary.num_tokens:,} in {summary.num_windows:,} windows",
        "speed": f"{summary.tokens_per_second:,.0f} tokens/s over {summary.seconds:.1f} s; "
        f"{summary.forward_seconds:.1f} s in the model",
        "start": f"{summary.start_seconds:.1f} s, and {summary.load_wait:.1f} s for the model",
        "padding": f"{summary.padding_share:.1%}",
        "model loads": f"{summary.num_model_loads}",
        "devices": describe_devices(summary),
        "result": summary.result,
        "report": summary.page,
    }
    _print_figures(rows)


def print_estimate(estimate: Estimate, config: PlanConfig) -> None:
    """Print what a run is expected to take."""
    table, cluster, sample = estimate.table, estimate.cluster, estimate.sample
    hours, price = config.plan.hours, config.plan.price_per_hour
    executors = cluster.executors if hours is None else estimate.executors_for(hours)
    kwh, grams = config.report.footprint(estimate.seconds / 3600)
    rows = {
        "documents": f"{table.documents:,}",
        "tokens": f"{estimate.num_tokens:,.0f}; {estimate.num_model_tokens:,.0f} for the model",
        "duration": f"{_duration(estimate.seconds)}; {_duration(cluster.start_seconds)} of it for "
        f"the start",
        "GPU hours" if cluster.has_gpus else "core hours": f"{estimate.unit_hours:,.2f}",
        "cost": price and f"{estimate.cost(price):,.2f} at {price:g} an hour for each executor",
        "energy": f"{kwh:,.3f} kWh, {grams:,.0f} g CO2e at report.watts={config.report.watts:g}",
        "executors": f"{cluster.executors}, {cluster.slots} tasks at once",
        f"within {hours} h": hours and f"{executors or 'no number of'} executors",
        "partitions": f"{estimate.partitions_for(executors or cluster.executors):,} are advised, "
        f"{table.partitions or 'as many as Spark chooses'} there",
        "measured": f"{sample.documents:,} documents, "
        f"{sample.num_model_tokens / sample.seconds:,.0f} tokens/s",
    }
    _print_figures(rows)


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def _print_figures(rows: Mapping[str, object]) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        if value is not None:
            table.add_row(name, str(value))
    console = make_console()
    console.print()
    console.print(table)


def print_nothing_new(last_run: str | None) -> None:
    """Print that a run has found nothing that is not in its output already."""
    since = f" since run {last_run}" if last_run else ""
    make_console().print(f"Nothing new{since}.", markup=False)


def print_documents(result: DataFrame, texts: Sequence[TextColumn], count: int) -> None:
    """Print the beginning of some documents of a result with their entities.

    Those in which nothing was found, and nothing went wrong, have nothing to show.
    """
    shown = (
        (F.size(F.col(quoted(text.entities))) > 0) | F.col(quoted(text.error)).isNotNull()
        for text in texts
    )
    chosen = result.where(reduce(or_, shown))
    rows = chosen.select(F.array(*(_shown(result, text) for text in texts))).take(count)
    if rows:
        documents = ([Shown(**each.asDict(recursive=True)) for each in row[0]] for row in rows)
        print_texts(documents, [text.name for text in texts])


def print_texts(documents: Iterable[Sequence[Shown]], columns: Sequence[str]) -> None:
    """Print the beginning of texts with their entities, coloured by group.

    Args:
        documents: a text of each column.
        columns: those that the texts are of, which are named where there are several.

    """
    table = Table(box=ROUNDED, border_style="dim", header_style="bold")
    if len(columns) > 1:
        table.add_column("column", style="dim", overflow="fold")
    table.add_column("document", ratio=3, overflow="fold")
    table.add_column("entities", ratio=2, overflow="fold")
    colours = _Colours()
    for document in documents:
        for name, each in zip(columns, document, strict=True):
            cells = [Text(name), _beginning(each, colours), _mentions(each, colours)]
            table.add_row(*cells[-len(table.columns) :], end_section=each is document[-1])
    make_console().print(table)


def _shown(result: DataFrame, text: TextColumn) -> Column:
    return F.struct(
        F.substring(field(result, text.name), 1, _SHOWN_CHARS + 1).alias("text"),
        F.col(quoted(text.entities)).alias("entities"),
        F.col(quoted(text.error)).alias("error"),
    )


def describe_devices(summary: Summary) -> str:
    """Name the devices that models ran on, and in which precision."""
    used = (f"{device} in {' and '.join(each)}" for device, each in summary.precisions.items())
    return ", ".join(used) or "none"


class _Colours:
    """A colour for each group, in order of appearance."""

    def __init__(self) -> None:
        self._of: dict[str, str] = {}

    def __getitem__(self, group: str) -> str:
        return self._of.setdefault(group, _COLOURS[len(self._of) % len(_COLOURS)])


def _beginning(shown: Shown, colours: _Colours) -> Text:
    if shown.text is None:
        return Text("null", style="dim italic")
    is_cut = len(shown.text) > _SHOWN_CHARS
    text = Text(_printable(shown.text[:_SHOWN_CHARS]) + ("…" if is_cut else ""))
    for start, end, name in places((shown.entities if shown.marks is None else shown.marks) or []):
        text.stylize(colours[name], start, min(end, _SHOWN_CHARS))
    return text


def _mentions(shown: Shown, colours: _Colours) -> Text:
    if shown.error is not None:
        return Text(shown.error, style="red")
    entities = shown.entities or []
    lines = []
    first = entities[:_SHOWN_ENTITIES]
    for entity, (start, end, name) in zip(first, places(first), strict=True):
        word, place = _printable(" ".join(entity["word"].split())), f"[{start}, {end})"
        lines.append(Text.assemble(word, " ", (name, colours[name]), " ", (place, "dim")))
    if len(entities) > _SHOWN_ENTITIES:
        lines.append(Text(f"and {len(entities) - _SHOWN_ENTITIES} more", style="dim"))
    return Text("\n").join(lines)


def _printable(text: str) -> str:
    r"""Put U+FFFD in the place of what a terminal would take for a command, character by character.

    >>> _printable("Emma\x1b[2J")
    'Emma�[2J'
    """
    return text.translate(_CONTROLS)
