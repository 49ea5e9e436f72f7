"""A model's labels: which tagging scheme they follow, and which transitions continue an entity."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spark_entities.udfs.core.arrays import Bools, Ints
from spark_entities.udfs.errors import ModelLoadError

OUTSIDE = "O"

# A label's role within an entity, by its prefix. L and U are BILOU's E and S, M is the I of BMES.
_ROLES = {"B": 0, "I": 1, "M": 1, "E": 2, "L": 2, "S": 3, "U": 3}
_PLAIN = 4  # part-of-speech tags and other labels without a prefix: each word stands alone
PREFIXED = re.compile(r"(?P<role>[BIELMSU])[-_](?P<group>.+)", re.IGNORECASE)
_SUFFIXED = re.compile(r"(?P<group>.+)[-_](?P<role>[BIELMSU])", re.IGNORECASE)
# Labels of what is no word, that some training scripts leave beside those of words.
_NO_LABEL = re.compile(
    r"\[\w+\]|</?\w+>|_*(pad|padding|cls|sep|mask|unk|x|ignore)?_*", re.IGNORECASE
)

# _CONTINUES[previous, current]: does the current element belong to the previous one's entity,
# given that both have the same group? Lenient where models are: an I without a B opens an entity.
_CONTINUES = np.array(
    # B  I  E  S  plain
    [
        [0, 1, 1, 0, 0],  # after B
        [0, 1, 1, 0, 0],  # after I
        [0, 0, 0, 0, 0],  # after E
        [0, 0, 0, 0, 0],  # after S
        [0, 0, 0, 0, 0],  # after plain
    ],
    dtype=bool,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelScheme:
    """The labels of a model as tables over label ids."""

    labels: tuple[str, ...]
    groups: tuple[str, ...]  # entity groups, in order of first label; outside has none
    group_ids: Ints  # (num_labels,), -1 for outside
    roles: Ints  # (num_labels,)
    merges_plain: bool = False  # whether equal plain labels make one element

    def labels_of(self, group: str) -> list[str]:
        """Return the labels of a group."""
        labels = zip(self.labels, self.group_ids, strict=True)
        return [label for label, index in labels if index == self.groups.index(group)]

    @classmethod
    def from_id2label(cls, id2label: Mapping[int, str]) -> LabelScheme:
        """Read the scheme off a model's labels: IOB1, IOB2, BIOES, BILOU, BMES, or plain.

        Prefixes are stripped where most labels have one, suffixes (`PER-B`) where all have. Beside
        those, `[CLS]`, `PAD` and the like
        are outside, as `B-O` is, and other labels are plain.

        Raises:
            ModelLoadError: if the ids are not 0..n-1.

        >>> LabelScheme.from_id2label({0: "O", 1: "B-PER", 2: "I-PER"}).groups
        ('PER',)
        """
        if sorted(id2label) != list(range(len(id2label))):
            raise ModelLoadError(
                f"id2label names {len(id2label)} labels with ids {sorted(id2label)[:12]}; they "
                f"must be 0..{len(id2label) - 1}. Mend id2label in the checkpoint's config.json."
            )
        labels = tuple(id2label[index] for index in range(len(id2label)))
        pairs = _read_roles(labels)
        groups = tuple(dict.fromkeys(name for _, name in pairs if name.upper() != OUTSIDE))
        group_ids = [groups.index(name) if name in groups else -1 for _, name in pairs]
        return cls(
            labels=labels,
            groups=groups,
            group_ids=np.array(group_ids, dtype=np.int64),
            roles=np.array([role for role, _ in pairs], dtype=np.int64),
        )

    @property
    def group_of(self) -> dict[str, str]:
        """The group of each name that an entity can carry: of labels, and of groups themselves.

        >>> LabelScheme.from_id2label({0: "O", 1: "B-PER"}).group_of
        {'B-PER': 'PER', 'PER': 'PER'}
        """
        pairs = zip(self.labels, self.group_ids, strict=True)
        of_labels = {label: self.groups[index] for label, index in pairs if index >= 0}
        return of_labels | {group: group for group in self.groups}

    def continues(self, previous: Ints, current: Ints) -> Bools:
        """Tell where a label goes on with the entity of the label before it.

        Both: label ids of neighbours, int64, (n,). Returns bool, (n,).
        """
        same_group: Bools = self.group_ids[previous] == self.group_ids[current]
        inside = self.group_ids[current] >= 0
        goes_on: Bools = _CONTINUES[self.roles[previous], self.roles[current]]
        if self.merges_plain:
            goes_on |= self.roles[current] == _PLAIN
        return same_group & inside & goes_on


def _read_roles(labels: Sequence[str]) -> list[tuple[int, str]]:
    """Return the role and the group of each label; those of no word are outside."""
    of_words = [
        label for label in labels if label.upper() != OUTSIDE and not _NO_LABEL.fullmatch(label)
    ]
    pattern = _SUFFIXED if _all_suffixed(of_words) else PREFIXED
    matches = [pattern.fullmatch(label) for label in labels]
    roles = [match["role"].upper() for match in matches if match]
    most = 2 * len(roles) > len(of_words) and not {"B", "I"}.isdisjoint(roles)
    if not most and len(roles) < len(of_words):
        return [(_PLAIN, label) for label in labels]
    return [
        (_ROLES[match["role"].upper()], match["group"])
        if match
        else (_PLAIN, OUTSIDE if _NO_LABEL.fullmatch(label) else label)
        for label, match in zip(labels, matches, strict=True)
    ]


def _all_suffixed(labels: Sequence[str]) -> bool:
    """Tell whether roles stand behind groups: in all labels, and a B and an I of some group."""
    matches = [_SUFFIXED.fullmatch(label) for label in labels]
    found = {(match["group"], match["role"].upper()) for match in matches if match}
    return all(matches) and any((group, "I") in found for group, role in found if role == "B")
