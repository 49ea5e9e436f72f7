"""Characters as people see them: grapheme clusters of Unicode's annex 29, which are never cut.

Enters: code points, and character ranges. Leaves: the ranges, grown to whole clusters.

The properties of code points are `regex`'s, which keeps up with Unicode.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import regex
from numpy.typing import NDArray

from spark_entities.udfs.core.arrays import Bools, Ints
from spark_entities.udfs.core.text import Text

_NUM_CODE_POINTS = 0x110000
_OTHER, _CONTROL, _EXTEND, _PREPEND, _L, _V, _T, _LV, _LVT, _FLAG = range(10)
_CLASSES = {
    _CONTROL: r"[\p{GCB=Control}\p{GCB=CR}\p{GCB=LF}]",
    _EXTEND: r"[\p{GCB=Extend}\p{GCB=ZWJ}\p{GCB=SpacingMark}]",
    _PREPEND: r"\p{GCB=Prepend}",
    _L: r"\p{GCB=L}",
    _V: r"\p{GCB=V}",
    _T: r"\p{GCB=T}",
    _LV: r"\p{GCB=LV}",
    _LVT: r"\p{GCB=LVT}",
    _FLAG: r"\p{GCB=Regional_Indicator}",
}
_JOINED_AFTER = {  # what is in one cluster with what stands before it, beside `_EXTEND`
    _L: [_L, _V, _LV, _LVT],
    _LV: [_V, _T],
    _V: [_V, _T],
    _LVT: [_T],
    _T: [_T],
}
_RETURN, _NEWLINE, _ZERO_WIDTH_JOINER = 0x0D, 0x0A, 0x200D
_FAR = 1000  # code points that are looked back


def whole_characters(text: Text, offsets: Ints) -> Ints:
    """Grow character ranges to whole grapheme clusters.

    Args:
        text: of a buffer of documents.
        offsets: (num_ranges, 2), none across documents.

    """
    starts, ends = offsets.T.copy()
    _move(text, starts, -1)
    _move(text, ends, +1)
    return np.stack([starts, ends], axis=1)


def _move(text: Text, places: Ints, step: int) -> None:
    """Move places that are inside of a cluster, until none is."""
    inside = np.flatnonzero(_are_inside(text, places))
    while len(inside):
        places[inside] += step
        inside = inside[_are_inside(text, places[inside])]


def _are_inside(text: Text, places: Ints) -> Bools:
    """Tell whether what stands before and behind places is in one cluster."""
    codepoints, borders = text.codepoints, text.row_splits
    within = borders[np.searchsorted(borders, places)] != places
    inner = places[within]
    before, behind = codepoints[inner - 1], codepoints[inner]
    tables = _tables()
    joined = _joins()[tables.classes[before], tables.classes[behind]]
    joined |= (before == _RETURN) & (behind == _NEWLINE)
    joined |= (before == _ZERO_WIDTH_JOINER) & tables.pictures[behind]
    for index in np.flatnonzero(tables.consonants[behind] & tables.between[before]):
        run = _run_before(codepoints, inner[index], tables.between)
        joined[index] |= tables.links[run].any()
    for index in np.flatnonzero(tables.flags[before] & tables.flags[behind]):
        joined[index] = len(_run_before(codepoints, inner[index], tables.flags)) % 2 == 1
    inside = np.zeros(len(places), dtype=bool)
    inside[within] = joined
    return inside


def _run_before(codepoints: NDArray[np.uint32], place: int, of: Bools) -> NDArray[np.uint32]:
    """Return the longest run of some code points that ends at a place."""
    near = codepoints[max(0, place - _FAR) : place]
    others = np.flatnonzero(~of[near])
    return near[others[-1] + 1 :] if len(others) else near


class _Tables(NamedTuple):
    """Properties of code points, by code point."""

    classes: NDArray[np.uint8]
    flags: Bools
    pictures: Bools
    links: Bools  # join a consonant to the one before
    between: Bools  # may stand between two that are joined
    consonants: Bools


@cache
def _tables() -> _Tables:
    classes = np.zeros(_NUM_CODE_POINTS, dtype=np.uint8)
    for number, pattern in _CLASSES.items():
        classes[having(pattern)] = number
    return _Tables(
        classes=classes,
        flags=classes == _FLAG,
        pictures=having(r"\p{Extended_Pictographic}"),
        links=having(r"\p{InCB=Linker}"),
        between=having(r"[\p{InCB=Linker}\p{InCB=Extend}]"),
        consonants=having(r"\p{InCB=Consonant}"),
    )


@cache
def _joins() -> Bools:
    """Tabulate which classes are in one cluster with which before them."""
    joined = np.zeros((10, 10), dtype=bool)
    joined[:, _EXTEND] = True
    joined[_PREPEND] = True
    joined[:, _CONTROL] = joined[_CONTROL] = False
    for before, behind in _JOINED_AFTER.items():
        joined[before, behind] = True
    return joined


@cache
def _all_characters() -> str:
    code_points = np.arange(_NUM_CODE_POINTS, dtype="<u4")
    code_points[0xD800:0xE000] = 0  # surrogates, which `regex` does not take
    return code_points.tobytes().decode("utf-32-le")


def having(pattern: str) -> Bools:
    """Tabulate which code points a pattern of `regex` matches: (0x110000,)."""
    table = np.zeros(_NUM_CODE_POINTS, dtype=bool)
    for found in regex.finditer(f"(?V1)(?:{pattern})+", _all_characters()):
        table[found.start() : found.end()] = True
    return table
