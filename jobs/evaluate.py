"""Score a model on a CoNLL file, through the UDF that runs in production.

Enters: a CoNLL file, a model. Leaves: precision, recall and F1 by type, as CoNLL counts them;
for parts of speech the share of words with the right tag.
Must not import: torch, transformers.
"""

from __future__ import annotations

import argparse
import sys
from bisect import bisect_left
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from seqeval.metrics import classification_report

from jobs.config import SparkSection
from jobs.conll import Sentence, Text, detokenise, read_conll
from jobs.session import make_session
from udfs.entities_udf import make_entities_udf
from udfs.errors import ConfigError, EnrichmentError, ModelLoadError
from udfs.options import ModelOptions

Group = Sequence[Sentence]
Tags = Sequence[Sequence[str]]  # of words, by text


def group_sentences(sentences: Sequence[Sentence], size: int) -> Sequence[Group]:
    """Join up to `size` neighbouring sentences of one document, to give each its context."""
    groups: list[list[Sentence]] = []
    for sentence in sentences:
        if not groups or len(groups[-1]) == size or sentence.starts_document:
            groups.append([])
        groups[-1].append(sentence)
    return groups


def tag_words(text: Text, entities: Sequence[Any], *, plain: bool = False) -> list[str]:
    """Give each word the tag of the entity that its first character lies in: IOB2, or plain.

    >>> text = Text(text="Jan Mol", offsets=((0, 3), (4, 7)))
    >>> tag_words(text, [{"entity_group": "PER", "start": 0, "end": 7}])
    ['B-PER', 'I-PER']
    """
    starts = [start for start, _ in text.offsets]
    tags = ["O"] * len(starts)
    for entity in entities:
        first, end = (bisect_left(starts, entity[edge]) for edge in ("start", "end"))
        for index in range(first, end):
            role = "" if plain else "B-" if index == first else "I-"
            tags[index] = f"{role}{entity['entity_group']}"
    return tags


def predict_tags(
    spark: SparkSession, texts: Sequence[Text], model: ModelOptions, *, plain: bool = False
) -> list[list[str]]:
    """Run the UDF over texts and return the tags of their words."""
    rows = [(index, text.text) for index, text in enumerate(texts)]
    documents = spark.createDataFrame(rows, "id int, text string")
    result = documents.withColumn("result", make_entities_udf(model)(F.col("text")))
    found = {row["id"]: row["entities"] for row in result.select("id", "result.entities").collect()}
    return [tag_words(text, found[index] or [], plain=plain) for index, text in enumerate(texts)]


def score_entities(gold: Tags, predicted: Tags, types: set[str]) -> str:
    """Report precision, recall and F1 over some entity types, as seqeval does by default."""

    def kept(tags: Sequence[str]) -> list[str]:
        return [tag if tag[2:] in types else "O" for tag in tags]

    report = classification_report([*map(kept, gold)], [*map(kept, predicted)], digits=3)
    return str(report)


def score_words(gold: Tags, predicted: Tags) -> str:
    """Report the share of words with the right plain tag."""
    pairs = list(zip(chain.from_iterable(gold), chain.from_iterable(predicted), strict=True))
    right = sum(this == that for this, that in pairs)
    return f"accuracy {right / len(pairs):.3f} ({right:,} of {len(pairs):,} words)"


def report(gold: Tags, predicted: Tags) -> str:
    """Report what fits the tags: entities, or words where no tag has a role."""
    if is_plain(gold):
        return score_words(gold, predicted)
    types = {tag[2:] for tags in gold for tag in tags if tag != "O"}
    text = score_entities(gold, predicted, types)
    if "MISC" in types:
        text += f"\nwithout MISC:\n{score_entities(gold, predicted, types - {'MISC'})}"
    return text


def is_plain(gold: Tags) -> bool:
    """Tell whether tags are plain labels, such as parts of speech."""
    return not any(tag.startswith(("B-", "I-")) for tags in gold for tag in tags)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `spark-entities evaluate --file … [--model …]`; returns the exit status."""
    parser = argparse.ArgumentParser(prog="spark-entities evaluate", description=__doc__)
    parser.add_argument("--file", type=Path, required=True, help="CoNLL file, gzipped or not")
    parser.add_argument("--model", default=ModelOptions().name, help="folder, Hub id or 'bundled'")
    parser.add_argument("--precision", default="auto", help="as model.precision (auto)")
    parser.add_argument("--sentences", type=int, default=5, help="neighbours in one text (5)")
    parser.add_argument("--master", default="local[2]")
    options = parser.parse_args(arguments)
    try:
        spark = make_session(SparkSection(master=options.master), "spark-entities evaluate")
        groups = group_sentences(list(read_conll(options.file)), options.sentences)
        texts = [detokenise([*chain.from_iterable(s.words for s in group)]) for group in groups]
        gold = [[*chain.from_iterable(s.tags for s in group)] for group in groups]
        model = ModelOptions(name=options.model, precision=options.precision)
        predicted = predict_tags(spark, texts, model, plain=is_plain(gold))
    except (ConfigError, ModelLoadError, OSError) as error:
        print(f"refused: {error}", file=sys.stderr)
        return 2
    except EnrichmentError as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    print(report(gold, predicted))
    return 0


if __name__ == "__main__":
    sys.exit(main())
