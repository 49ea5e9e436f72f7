"""The gold: words and the tags that people gave them, as texts to classify and tags to score.

Enters: a CoNLL file, and how to read it. Leaves: texts, and tags by sentence, in IOB2 or plain.
Must not import: Spark, torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from pathlib import Path

from spark_entities.jobs.config import GoldSection
from spark_entities.jobs.scoring.conll import Sentence, Text, detokenise, join_words, read_conll
from spark_entities.jobs.scoring.tags import Tags, is_plain, read_scheme, to_iob2
from spark_entities.udfs.core.labels import OUTSIDE
from spark_entities.udfs.errors import ConfigError

_JOINS = {"text": detokenise, "spaces": join_words}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gold:
    """A gold file, read. Sentence `i` has `tags[i]`; text `t` is the next `sizes[t]` sentences."""

    path: Path
    texts: tuple[Text, ...]
    sizes: tuple[int, ...]
    tags: Tags  # IOB2, or plain
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
        known = set(self.types)
        lengths = iter(map(len, self.tags))
        sentences = []
        for text_tags, size in zip(tags, self.sizes, strict=True):
            ends = accumulate((next(lengths) for _ in range(size)), initial=0)
            for start, end in pairwise(ends):
                sentences.append([self._known(tag, known) for tag in text_tags[start:end]])
        return [self._open(sentence) for sentence in sentences]

    def _known(self, tag: str, types: set[str]) -> str:
        return tag if (tag if self.plain else tag[2:]) in types else OUTSIDE

    def _open(self, sentence: list[str]) -> list[str]:
        """Let an entity that goes on from the sentence before begin anew."""
        if sentence and not self.plain and sentence[0].startswith("I-"):
            sentence[0] = f"B-{sentence[0][2:]}"
        return sentence


def load_gold(section: GoldSection) -> Gold:
    """Read a gold file as its section of the configuration says.

    Raises:
        ConfigError: if it cannot be read, or has no tags to score against.

    """
    if section.path is None:
        raise ConfigError("gold.path is missing. Set it to a CoNLL file.")
    sentences = list(
        read_conll(
            section.path,
            encoding=section.encoding,
            word_column=section.word_column,
            tag_column=section.tag_column,
        )
    )
    name = section.path.name
    if not sentences:
        raise ConfigError(f"gold.path: {name} has no sentences. Give a CoNLL file.")
    groups = group_sentences(sentences, section, name)
    scheme = read_scheme(sentences, name)
    plain = is_plain(scheme)
    tags = to_iob2([sentence.tags for sentence in sentences], scheme, section.rename)
    join = _JOINS[section.join]
    texts = [join_texts([join(sentence.words) for sentence in group]) for group in groups]
    given, read = chain.from_iterable(s.tags for s in sentences), chain.from_iterable(tags)
    roles = ((before[:2], after[:2]) for before, after in zip(given, read, strict=True))
    return Gold(
        path=section.path,
        texts=tuple(texts),
        sizes=tuple(map(len, groups)),
        tags=tags,
        plain=plain,
        num_rewritten=0 if plain else sum(a != b for a, b in roles if OUTSIDE not in (a, b)),
    )


def group_sentences(
    sentences: Sequence[Sentence], section: GoldSection, name: str
) -> list[list[Sentence]]:
    """Group the sentences that make a text.

    Raises:
        ConfigError: if articles are wanted of a file that does not mark them.

    """
    if section.context == "sentence":
        return [[sentence] for sentence in sentences]
    if not any(sentence.starts_document for sentence in sentences):
        raise ConfigError(
            f"gold.context='document', but {name} has no -DOCSTART- lines, which begin a document. "
            f"Set gold.context to 'sentence'."
        )
    groups: list[list[Sentence]] = []
    for sentence in sentences:
        if not groups or sentence.starts_document:
            groups.append([])
        groups[-1].append(sentence)
    return groups


def join_texts(texts: Sequence[Text]) -> Text:
    """Join the texts of sentences by spaces.

    >>> join_texts([join_words(["Ja", "."]), join_words(["Nee"])]).offsets
    ((0, 2), (3, 4), (5, 8))
    """
    starts = accumulate((len(text.text) + 1 for text in texts), initial=0)
    offsets = (
        (start + first, start + end)
        for start, text in zip(starts, texts, strict=False)
        for first, end in text.offsets
    )
    return Text(text=" ".join(text.text for text in texts), offsets=tuple(offsets))
