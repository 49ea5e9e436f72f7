"""The tags of words: read them in any scheme, write them as IOB2, take them from entities.

Must not import: Spark, torch.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

import numpy as np

from spark_entities.jobs.scoring.conll import JoinedWords, Sentence
from spark_entities.udfs.core.labels import OUTSIDE, PREFIXED, LabelScheme
from spark_entities.udfs.errors import ConfigError

Tags = Sequence[Sequence[str]]  # of words, by sentence or text


def read_scheme(sentences: Sequence[Sentence], name: str) -> LabelScheme:
    """Read the tagging scheme off the tags of a file, as it is read off a model's labels.

    Raises:
        ConfigError: if there are no tags but `O`, or only some have a role. Tags are not quoted:
            where the column is the wrong one, they are words.

    """
    distinct = sorted(set(chain.from_iterable(sentence.tags for sentence in sentences)))
    scheme = LabelScheme.from_id2label(dict(enumerate(distinct)))
    if not scheme.groups:
        raise ConfigError(
            f"{name} has no tag but O. Set gold.tag_column to the column of the tags."
        )
    inside = {tag for tag, group in zip(distinct, scheme.group_ids, strict=True) if group >= 0}
    bare = {tag for tag in inside if not PREFIXED.fullmatch(tag)}
    if 0 < len(bare) < len(inside):
        line = next(
            sentence.line + index
            for sentence in sentences
            for index, tag in enumerate(sentence.tags)
            if tag in bare
        )
        raise ConfigError(
            f"{name}, line {line}: a tag without B- or I-, which other tags have. Mend it, or set "
            f"gold.tag_column to the column of the tags."
        )
    return scheme


def is_plain(scheme: LabelScheme) -> bool:
    """Tell whether tags have no roles, such as parts of speech."""
    return not any(PREFIXED.fullmatch(label) for label in scheme.labels)


def to_iob2(sentences: Tags, scheme: LabelScheme, rename: Mapping[str, str]) -> list[list[str]]:
    """Write tags as IOB2, whatever scheme they follow; plain ones stay. Types are renamed.

    IOB1, IOB2, BIOES, BILOU and BMES never contradict each other, so that one table reads them all.

    Raises:
        ConfigError: if a type to be renamed is not there.

    """
    unknown = sorted(set(rename) - set(scheme.groups))
    if unknown:
        raise ConfigError(
            f"gold.rename names {', '.join(unknown)}, which no tag of the file has. Leave it out."
        )
    groups = [scheme.groups[group] if group >= 0 else OUTSIDE for group in scheme.group_ids]
    types = {
        tag: rename.get(group, group) for tag, group in zip(scheme.labels, groups, strict=True)
    }
    every = np.arange(len(scheme.labels))
    table = scheme.continues(every[:, None], every[None, :])  # bool, (previous, current)
    goes_on = {(scheme.labels[before], scheme.labels[this]) for before, this in np.argwhere(table)}
    plain = is_plain(scheme)

    def write(previous: str, tag: str) -> str:
        kind = types[tag]
        role = "" if plain or kind == OUTSIDE else "I-" if (previous, tag) in goes_on else "B-"
        return role + kind

    return [[*map(write, ["", *tags[:-1]], tags)] for tags in sentences]


def tag_words(
    text: JoinedWords, mentions: Iterable[tuple[int, int, str]], *, plain: bool = False
) -> list[str]:
    """Give each word the tag of the mention that its first letter or digit lies in: IOB2, or plain.

    Args:
        text: words.
        mentions: start and end, in characters, and group of each.
        plain: whether tags have no roles.

    >>> text = JoinedWords(text="(Jan Mol", offsets=((0, 4), (5, 8)))
    >>> tag_words(text, [(1, 8, "PER")])
    ['B-PER', 'I-PER']
    """
    anchors = [_anchor(text.text, start, end) for start, end in text.offsets]
    tags = [OUTSIDE] * len(anchors)
    for start, end, group in mentions:
        first, after = bisect_left(anchors, start), bisect_left(anchors, end)
        for index in range(first, after):
            role = "" if plain else "B-" if index == first else "I-"
            tags[index] = f"{role}{group}"
    return tags


def _anchor(text: str, start: int, end: int) -> int:
    """Return where a word's first letter or digit is; where it begins, if it has none."""
    return next((at for at in range(start, end) if text[at].isalnum()), start)
