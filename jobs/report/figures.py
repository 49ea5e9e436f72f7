"""Figures for people: numbers in words, and as bars and columns.

Enters: numbers. Leaves: text, and what a template draws.
Must not import: Spark, torch, transformers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta


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


def percent(part: float, whole: float) -> str:
    """Return a share for the page's style.

    >>> percent(1, 3)
    '33.3'
    """
    return f"{100 * part / whole:.1f}"


def bars(entities: Mapping[str, int], colours: Mapping[str, int]) -> list[dict[str, object]]:
    """Draw a bar for each group, the longest for the most frequent."""
    most = max([1, *entities.values()])
    return [
        {"name": group, "count": number, "share": percent(number, most), "colour": colours[group]}
        for group, number in entities.items()
    ]


def columns(counts: Sequence[int], edges: Sequence[object]) -> list[dict[str, object]]:
    """Draw a column for each class, from the first to the last that is not empty."""
    most = max([1, *counts])
    filled = [index for index, number in enumerate(counts) if number] or [0]
    return [
        {"edge": edge, "count": counts[index], "share": percent(counts[index], most)}
        for index, edge in enumerate(edges)
        if min(filled) <= index <= max(filled)
    ]
