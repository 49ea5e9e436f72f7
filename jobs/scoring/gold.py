"""The gold: words and the tags that people gave them, as texts to classify and tags to score.

Enters: a CoNLL file, and how to read it. Leaves: texts, and tags by sentence, in IOB2 or plain.
Must not import: Spark, torch.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import chain, islice, repeat
from pathlib import Path

from spark_entities.jobs.config import GoldSection
from spark_entities.jobs.scoring.conll import (
    JoinedWords,
    Sentence,
    detokenise,
    group_sentences,
    join_texts,
    join_words,
    read_conll,
)
from spark_entities.jobs.scoring.tags import Tags, is_plain, read_scheme, to_iob2
from spark_entities.udfs.checkpoint import Checkpoint
from spark_entities.udfs.core.labels import OUTSIDE
from spark_entities.udfs.errors import ConfigError

_JOINS = {"text": detokenise, "spaces": join_words}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gold:
    """A gold file, read: one sentence after the other, and the texts that they make."""

    path: Path
    texts: tuple[JoinedWords, ...]
    tags: Tags  # of sentences: IOB2, or plain
    plain: bool  # whether tags have no roles, as parts of speech
    num_rewritten: int  # tags that were not IOB2 in the file

    @property
    def types(self) -> list[str]:
        """The entity types, or the plain tags, sorted."""
        tags = set(chain.from_iterable(self.tags)) - {OUTSIDE}
        return sorted(tags if self.plain else {tag[2:] for tag in tags})

    @property
    def sha256(self) -> str:
        """SHA-256 of the file."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def cut(self, tags: Tags) -> list[list[str]]:
        """Cut tags of texts into tags of sentences; an entity across a sentence's end is cut too.

        Types that the gold does not have become `O`.
        """
        words, types = chain.from_iterable(tags), set(self.types)
        return [self._read([*islice(words, len(gold))], types) for gold in self.tags]

    def _read(self, tags: list[str], types: set[str]) -> list[str]:
        """Read the tags of a sentence, where what goes on from the one before begins anew."""
        if self.plain:
            return [tag if tag in types else OUTSIDE for tag in tags]
        known = [tag if tag[2:] in types else OUTSIDE for tag in tags]
        return [known[0] if known[0] == OUTSIDE else f"B-{known[0][2:]}", *known[1:]]


def load_gold(section: GoldSection) -> Gold:
    """Read a gold file as its section of the configuration says.

    Raises:
        ConfigError: if it cannot be read, or has no tags to score against.

    """
    if section.path is None:
        raise ConfigError("gold.path is missing. Set it to a CoNLL file.")
    name, sentences = section.path.name, _read_sentences(section, section.path)
    scheme = read_scheme(sentences, name)
    plain = is_plain(scheme)
    tags = to_iob2([sentence.tags for sentence in sentences], scheme, section.rename)
    join, size = _JOINS[section.join], None if section.context == "document" else 1
    texts = [
        join_texts([join(sentence.words) for sentence in group])
        for group in group_sentences(sentences, repeat(size))
    ]
    given, read = chain.from_iterable(s.tags for s in sentences), chain.from_iterable(tags)
    roles = ((before[:2], after[:2]) for before, after in zip(given, read, strict=True))
    return Gold(
        path=section.path,
        texts=tuple(texts),
        tags=tags,
        plain=plain,
        num_rewritten=0 if plain else sum(a != b for a, b in roles if OUTSIDE not in (a, b)),
    )


def _read_sentences(section: GoldSection, path: Path) -> list[Sentence]:
    columns = {"word_column": section.word_column, "tag_column": section.tag_column}
    sentences = list(read_conll(path, encoding=section.encoding, **columns))
    if not sentences:
        raise ConfigError(f"gold.path: {path.name} has no sentences. Give a CoNLL file.")
    if section.context == "document" and not any(each.starts_document for each in sentences):
        raise ConfigError(
            f"gold.context='document', but {path.name} has no -DOCSTART- lines, which begin a "
            f"document. Set gold.context to 'sentence'."
        )
    return sentences


def check_types(gold: Gold, checkpoint: Checkpoint) -> None:
    """Refuse a gold that no prediction can match. Plain tags are not quoted: they may be words.

    Raises:
        ConfigError: if the gold and the model have no type in common.

    """
    groups = checkpoint.scheme.groups
    if not set(groups) & set(gold.types):
        given = f"{len(gold.types)} plain tags" if gold.plain else ", ".join(gold.types)
        raise ConfigError(
            f"gold.path: {gold.path.name} has {given}, and the model {', '.join(groups)}: none in "
            f"common. Set gold.tag_column to the column of the tags, or gold.rename, such as "
            f"person={groups[0]}."
        )
