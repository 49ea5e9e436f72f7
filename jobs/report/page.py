"""The page about a run: what it did, what it cost, how it was made, in one file of HTML.

Enters: the summary and the record of a run, and what was found in its result. Leaves: HTML that
needs nothing else, runs no script, and fetches nothing.
Must not import: torch, transformers.

It holds no name and no text of a document, unless the configuration asks for them.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from spark_entities.jobs.config import CSV, MENTIONS, Energy, EnrichConfig, InputSection
from spark_entities.jobs.enrichment.metrics import LENGTH_EDGES, Summary
from spark_entities.jobs.output.run_record import RunRecord
from spark_entities.jobs.report.content import Content
from spark_entities.jobs.report.figures import bars, columns, count, duration, plain, short
from spark_entities.jobs.report.marks import parts
from spark_entities.jobs.report.terminal import describe_devices
from spark_entities.jobs.tables.columns import quoted, quoted_path
from spark_entities.jobs.tables.result_columns import ResultColumns
from spark_entities.udfs.core.results import SCORE_CLASSES

log = logging.getLogger("spark_entities.run_page")

_COLOURS = 6  # as many as the page's style has
_HIDDEN = {
    "options",
    "config",
    "key",
}  # settings of others, with addresses and references to secrets


def make_page(
    summary: Summary,
    record: RunRecord,
    before: RunRecord | None,
    config: EnrichConfig,
    content: Content,
    group_of: Mapping[str, str],
) -> str:
    """Make the page.

    Args:
        summary: what the run did.
        record: how it was made, as `_run.json` tells it.
        before: the same of the run before it in the output, if there is one.
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
        title=config.report.title or name_input(config.input),
        summary=summary,
        record=record,
        content=content,
        tiles=_tiles(summary),
        groups=bars(summary.entities, colours),
        scores=columns(summary.scores, [f"{edge / 10:.1f}" for edge in range(SCORE_CLASSES)]),
        lengths=columns(summary.lengths, LENGTH_EDGES),
        before=_beside(record, before) if before else {},
        throughput=_throughput(summary),
        power=_power(summary.start_seconds + summary.work_seconds, config.report),
        query=query(record, config),
        samples=[(sample.id, list(parts(sample))) for sample in content.samples],
        colours={name: colours[group] for name, group in group_of.items() if group in colours},
        made=_made(record, summary, config),
    )


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


def name_input(section: InputSection) -> str:
    """Name an input by its table, or by the last folder or file of its path.

    >>> name_input(InputSection(path="/data/articles/*.parquet"))
    'articles/*.parquet'
    """
    parts = [part for part in (section.path or "").split("/") if part]
    last = "/".join(parts[-2:] if parts and re.search(r"[*?\[{]", parts[-1]) else parts[-1:])
    return section.table or last or section.format


def query(record: RunRecord, config: EnrichConfig) -> str | None:
    """Write the query that people ask first, of mentions by name; CSV has no types to ask."""
    output = config.output
    if output.format == CSV:
        return None
    names = ResultColumns.of(config, ())
    table, path = output.table, quoted(str(output.path))
    source = f"{output.format}.{path}" if table is None else quoted_path(table)
    key = "entity" if config.classify.aggregation_strategy == "none" else "entity_group"
    rows = f"{source}\n  WHERE {names.run} = '{record.run}'"
    if output.layout != MENTIONS:
        rows = f"(\n  SELECT inline({quoted(names.texts[0].entities)}) FROM {rows}\n)"
    return (
        f"SELECT {key}, word, count(*) AS mentions\nFROM {rows}\n"
        f"GROUP BY {key}, word ORDER BY mentions DESC LIMIT 20"
    )


def _beside(now: RunRecord, before: RunRecord) -> dict[str, tuple[str, str]]:
    """Put the figures of two runs side by side: of this one, and of the one before."""
    groups = [*dict.fromkeys([*now.entities, *before.entities])]

    def tell(record: RunRecord) -> list[str]:
        documents = max(record.documents, 1)
        shares = [record.entities.get(group, 0) / documents for group in groups]
        speed = record.tokens / record.seconds if record.seconds else 0
        return [
            count(record.documents),
            f"{record.failed / documents:.1%}",
            *(f"{share:,.2f}" for share in shares),
            count(speed) if speed else "–",
            record.model,
        ]

    names = [
        "Documents",
        "Errors",
        *(f"{group} a document" for group in groups),
        "Tokens/s",
        "Model",
    ]
    return dict(zip(names, zip(tell(now), tell(before), strict=True), strict=True))


def _throughput(summary: Summary) -> dict[str, str]:
    wait = duration(summary.load_wait)
    return {
        "Windows": count(summary.num_windows),
        "Tokens for the model": count(summary.num_model_tokens),
        "Padding": f"{summary.padding_share:.1%}",
        "In the model": f"{duration(summary.forward_seconds)}, all workers together",
        "Start": f"{duration(summary.start_seconds)}, model {wait}",
        "Model loads": count(summary.num_model_loads),
        "Devices": describe_devices(summary),
    } | ({"Left out": f"{count(summary.num_left_out)} entities"} if summary.num_left_out else {})


def _power(seconds: float, energy: Energy) -> str:
    kwh, grams = energy.footprint(seconds / 3600)
    return (
        f"{kwh:,.3g} kWh and {grams:,.3g} g CO2e, for {duration(seconds)} at {energy.watts:,g} W "
        f"and {energy.grams_co2e_per_kwh:,g} g per kWh"
    )


def _made(record: RunRecord, summary: Summary, config: EnrichConfig) -> dict[str, str]:
    """Tell the model, where the result is, and every setting that was chosen."""
    told = {
        "Run": record.run,
        "Model": record.model,
        "SHA-256": record.model_sha256,
        "Result": summary.result,
        "Rows": f"by mention, {count(record.mentions)}" if record.mentions is not None else None,
    }
    made = told | _changed(config)
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
            if name not in _HIDDEN and value != usual[name]
        }
    return changed


def _as_dict(section: Any) -> dict[str, Any]:
    return asdict(section) if is_dataclass(section) else dict(section)  # type: ignore[arg-type]
