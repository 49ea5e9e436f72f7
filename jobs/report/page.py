"""The page about a run: what it did, what it cost, how it was made, in one file of HTML.

Enters: the summary and the record of a run, and what was found in its result. Leaves: HTML that
needs nothing else, runs no script, and fetches nothing.
Must not import: torch, transformers.

It holds no name and no text of a document, unless the configuration asks for them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from spark_entities.jobs.config import Energy, EnrichConfig
from spark_entities.jobs.enrichment.metrics import LENGTH_EDGES, Summary
from spark_entities.jobs.output.run_record import RunRecord
from spark_entities.jobs.report.content import Content, Sample

log = logging.getLogger("spark_entities.run_page")

_COLOURS = 6  # as many as the page's style has
_SHOWN_ABOVE = {"run", "ended", "documents", "failed", "classify"}
_HIDDEN = {"options", "config"}  # settings of others, with addresses and references to secrets


def make_page(
    summary: Summary,
    record: RunRecord,
    config: EnrichConfig,
    content: Content,
    group_of: Mapping[str, str],
) -> str:
    """Make the page.

    Args:
        summary: what the run did.
        record: how it was made, as `_run.json` tells it.
        config: what was asked for.
        content: what stands in the result.
        group_of: the group of each name that an entity of a sample may carry.

    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters |= {"count": count, "short": short}
    template = environment.from_string(
        files("spark_entities.jobs.report").joinpath("page.html").read_text("utf-8")
    )
    colours = {group: index % _COLOURS for index, group in enumerate(summary.entities)}
    return template.render(
        summary=summary,
        record=record,
        content=content,
        tiles=_tiles(summary),
        groups=_groups(summary.entities, colours),
        lengths=_lengths(summary.lengths),
        throughput=_throughput(summary),
        power=_power(summary.seconds, config.report),
        samples=[list(parts(sample)) for sample in content.samples],
        colours={name: colours[group] for name, group in group_of.items()},
        made=_made(record, summary, config),
    )


def count(number: float) -> str:
    """Write a number out.

    >>> count(1234567)
    '1,234,567'
    """
    return f"{number:,.0f}"


def short(number: int) -> str:
    """Write a number in a few characters.

    >>> [short(number) for number in (0, 999, 1234, 56789, 1_500_000, 2_000_000_000)]
    ['0', '999', '1.2k', '57k', '1.5M', '2G']
    """
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            value = number / size
            return f"{value:.{int(value < 9.95)}f}".removesuffix(".0") + unit
    return str(number)


def plain(value: object) -> str:
    """Write a setting as YAML would, but text without quotes.

    >>> plain(False), plain(["a", 1]), plain("text")
    ('false', '["a", 1]', 'text')
    """
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def duration(seconds: float) -> str:
    """Write a time out.

    >>> duration(53.31), duration(3723.4)
    ('53.3 s', '1:02:03')
    """
    return f"{seconds:.1f} s" if seconds < 60 else str(timedelta(seconds=round(seconds)))


def parts(sample: Sample) -> Iterator[tuple[str, str | None]]:
    """Cut a sample where its entities begin and end: text, and its group or label, if it has one.

    >>> list(parts(Sample(text="Emma woont", entities=[(0, 4, "PER")], cut=True)))
    [('Emma', 'PER'), (' woont…', None)]
    """
    at = 0
    for start, end, name in sample.entities:
        if start > at:
            yield sample.text[at:start], None
        yield sample.text[start:end], name
        at = end
    rest = sample.text[at:] + "…" * sample.cut
    if rest:
        yield rest, None


def page_path(folder: str, run_id: str) -> str:
    """Name the page about a run in a folder of this machine."""
    return str(Path(folder) / f"{run_id}.html")


def save_page(folder: str, run_id: str, page: str) -> None:
    """Write the page about a run that is published, which a full disk does not undo."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        Path(page_path(folder, run_id)).write_text(page, "utf-8")
    except OSError as error:
        log.warning("The report of the run could not be written (%s).", error.strerror)


def _tiles(summary: Summary) -> list[dict[str, object]]:
    """Show the four figures that come first."""
    documents, entities = summary.documents, sum(summary.entities.values())
    figures = [
        ("Documents", documents, f"{count(summary.num_tokens)} tokens"),
        ("Entities", entities, f"{entities / max(documents, 1):.1f} a document"),
        ("Tokens/s", summary.tokens_per_second, f"over {duration(summary.seconds)}"),
        ("Errors", summary.failed, f"{summary.failed / max(documents, 1):.1%} of documents"),
    ]
    return [
        {"name": name, "value": count(value), "note": note, "fault": name == "Errors" and value > 0}
        for name, value, note in figures
    ]


def _groups(entities: Mapping[str, int], colours: Mapping[str, int]) -> list[dict[str, object]]:
    """Draw a bar for each group, the longest for the most frequent."""
    most = max([1, *entities.values()])
    return [
        {"name": group, "count": number, "share": percent(number, most), "colour": colours[group]}
        for group, number in entities.items()
    ]


def _lengths(documents: Sequence[int]) -> list[dict[str, object]]:
    """Draw a column for each class of lengths, from the first to the last that has documents."""
    most = max([1, *documents])
    filled = [index for index, number in enumerate(documents) if number] or [0]
    return [
        {"edge": edge, "count": documents[index], "share": percent(documents[index], most)}
        for index, edge in enumerate(LENGTH_EDGES)
        if min(filled) <= index <= max(filled)
    ]


def percent(part: float, whole: float) -> str:
    """Return a share for the page's style.

    >>> percent(1, 3)
    '33.3'
    """
    return f"{100 * part / whole:.1f}"


def _throughput(summary: Summary) -> dict[str, str]:
    return {
        "Windows": count(summary.num_windows),
        "Tokens for the model": count(summary.num_model_tokens),
        "Padding": f"{summary.padding_share:.1%}",
        "In the model": f"{duration(summary.forward_seconds)}, all workers together",
        "Model loads": f"{count(summary.num_model_loads)} in {duration(summary.load_seconds)}",
        "Devices": ", ".join(summary.devices) or "none",
    }


def _power(seconds: float, energy: Energy) -> dict[str, str]:
    kwh, grams = energy.footprint(seconds / 3600)
    return {
        "Hours": f"{seconds / 3600:,.3g}",
        "Watts": f"{energy.watts:,g}",
        "Energy": f"{kwh:,.3g} kWh",
        "Intensity": f"{energy.grams_co2e_per_kwh:,g} g CO2e per kWh",
        "Carbon": f"{grams:,.3g} g CO2e",
    }


def _made(record: RunRecord, summary: Summary, config: EnrichConfig) -> dict[str, str]:
    """Tell the run's record, and every setting that is not the default."""
    told = {name: value for name, value in record.told().items() if name not in _SHOWN_ABOVE}
    told |= {f"classify.{name}": value for name, value in record.classify.items()}
    made = told | {"result": summary.result} | _changed(config)
    return {name: plain(value) for name, value in made.items() if value is not None}


def _changed(config: EnrichConfig) -> dict[str, object]:
    """List the settings that are not the defaults, but for those that may hold addresses."""
    default = EnrichConfig.model_construct()
    changed: dict[str, object] = {}
    for section in EnrichConfig.model_fields:
        given, usual = (_as_dict(getattr(each, section)) for each in (config, default))
        changed |= {
            f"{section}.{name}": value
            for name, value in given.items()
            if name not in _HIDDEN and value != usual[name] and section != "classify"
        }
    return changed


def _as_dict(section: Any) -> dict[str, Any]:
    return asdict(section) if is_dataclass(section) else dict(section)  # type: ignore[arg-type]
