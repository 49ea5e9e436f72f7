"""Documents with their entities marked in the text: for notebooks, and cut into parts for the page.

Enters: results and their texts. Leaves: HTML with inline styles, which reads without them too.
Must not import: torch, transformers; pyspark, unless a DataFrame is shown: results of the engine
are shown without Spark.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from spark_entities.udfs.errors import ConfigError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row

_COLOURS = "#ffd97a", "#9fd3ff", "#b5e6a2", "#dcc3ff", "#ffc9b8", "#b8e8e4"
_USUAL = "PER", "ORG", "LOC", "MISC"  # of the same colours wherever they are shown
_ROLE = re.compile("^[BIESLU][-_]")
_PARAGRAPH = "max-width:48em;line-height:2;margin:0 0 1.2em"
_MARK = "color:#222;padding:.1em .35em;border-radius:.3em;box-decoration-break:clone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A document or its beginning, and its entities there: start, end, group or label."""

    text: str
    entities: Sequence[tuple[int, int, str]]
    cut: bool = False
    id: str | None = None


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


def places(entities: Iterable[Mapping[str, Any] | Row]) -> list[tuple[int, int, str]]:
    """Return start, end and name of entities: their group or, with strategy `none`, their label."""
    return [
        (e["start"], e["end"], e["entity_group" if "entity_group" in e else "entity"])
        for e in entities
    ]


def display(
    results: DataFrame | pa.StructArray | Sequence[Mapping[str, Any] | Row],
    text: str | Sequence[str | None] = "text",
    *,
    entities: str = "entities",
    limit: int = 10,
) -> None:
    """Show documents in a notebook, with their entities marked; elsewhere, print that as HTML.

    Args:
        results: a DataFrame of the job's, rows of one, or what `TokenClassifier.classify` returns.
        text: the column of their texts, or the texts themselves, one for each result.
        entities: the column of their entities.
        limit: how many documents at most.

    Raises:
        ConfigError: if rows have no such column, or there are more or fewer texts than results.

    """
    marked = make_html(results, text, entities=entities, limit=limit)
    try:
        from IPython.display import HTML
        from IPython.display import display as show
    except ImportError:
        print(marked)
    else:
        show(HTML(marked))  # type: ignore[no-untyped-call]


def make_html(
    results: DataFrame | pa.StructArray | Sequence[Mapping[str, Any] | Row],
    text: str | Sequence[str | None] = "text",
    *,
    entities: str = "entities",
    limit: int = 10,
) -> str:
    """Make the HTML that `display` shows, of the same arguments: a paragraph for each document."""
    colours = {group: index for index, group in enumerate(_USUAL)}
    documents = _read(results, text, entities, limit)
    return "\n".join(_paragraph(*document, colours) for document in documents)


def _read(
    results: Any, text: str | Sequence[str | None], entities: str, limit: int
) -> list[tuple[str | None, Sequence[Any]]]:
    """Read texts, which may be null, and their entities; none where these are null."""
    if hasattr(results, "toPandas"):  # a DataFrame, of classic Spark or of Connect
        if not isinstance(text, str):
            raise ConfigError("display() of a DataFrame takes the name of its column of texts.")
        from spark_entities.jobs.tables.columns import field, find_field

        for name in (text, entities):
            if find_field(results.schema, name) is None:
                raise _missing(name)
        chosen = results.select(field(results, text), field(results, entities))
        return [(shown, found or []) for shown, found in chosen.take(limit)]
    rows = results[:limit].to_pylist() if isinstance(results, pa.Array) else results[:limit]
    if isinstance(text, str):
        texts = [_field(row, text) for row in rows]
    elif len(text) == len(results):
        texts = list(text[:limit])
    else:
        raise ConfigError(
            f"display() has {len(results)} results and {len(text)} texts. Give one for each."
        )
    return [(each, _field(row, entities) or []) for each, row in zip(texts, rows, strict=True)]


def _field(row: Any, name: str) -> Any:
    if name not in row:
        raise _missing(name)
    return row[name]


def _missing(name: str) -> ConfigError:
    return ConfigError(
        f"display() finds no {name!r} in the results. Name the columns of texts and of entities, "
        f"such as display(df, 'title', entities='title_entities'), or give the texts."
    )


def _paragraph(text: str | None, entities: Sequence[Any], colours: dict[str, int]) -> str:
    if text is None:
        return f'<p style="{_PARAGRAPH}"><i>null</i></p>'
    marked = "".join(
        escape(part) if name is None else _mark(part, name, colours)
        for part, name in parts(Sample(text=text, entities=places(entities)))
    )
    return f'<p dir="auto" style="{_PARAGRAPH}">{marked.replace(chr(10), "<br>")}</p>'


def _mark(part: str, name: str, colours: dict[str, int]) -> str:
    """Mark an entity in the colour of its group, which is new with its first entity."""
    index = colours.setdefault(_ROLE.sub("", name), len(colours))
    style = f"{_MARK};background:{_COLOURS[index % len(_COLOURS)]}"
    return f'<mark style="{style}">{escape(part)}&nbsp;<small><b>{escape(name)}</b></small></mark>'
