"""The model card of a training run: data, licences, hyper-parameters, scores, cost.

Enters: a recipe and what came of it. Leaves: Markdown. Must not import: Spark.

Nothing of a corpus but its name and size enters the card.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from spark_entities.jobs.training.recipe import Corpus, Recipe
from spark_entities.jobs.training.state import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusSize:
    """How much of a corpus took part; `repeat` not counted."""

    corpus: Corpus
    texts: int
    words: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a recipe."""

    name: str
    base: str
    sizes: Sequence[CorpusSize]
    development_sizes: Sequence[CorpusSize]
    runs: Sequence[Progress]
    averaged: dict[str, float]  # development scores of the mean of several runs, by corpus
    num_steps: int  # planned, of all runs
    hardware: str
    precision: str


_CARD = """\
---
{front_matter}
---

# {name}

Token classification, fine-tuned from {base} by `spark-entities finetune`.
It labels the first token of each word; use it with the aggregation strategy `first`.

Labels: {labels}.

## Data

{corpora}

## Hyper-parameters

{settings}

{steps} of {num_steps} planned steps, {tokens:,} tokens, {precision}.

## Scores

{scores}

## Cost

{hours:.2f} hours on {hardware}. At {watts:g} W and {intensity:g} g CO2e per kWh that is
{kwh:.3f} kWh and {grams:,.0f} g CO2e: hours × watts × intensity (Lacoste et al. 2019, arXiv
1910.09700).

## Limits

A model knows what its corpora know: names, subjects, spellings and times that are rare there will
be missed more often, and what is said of people there shapes what it says of them. It is no ground
for decisions about persons, and must not be used to watch, exclude or harass anybody. Score it on
your own texts, by type and by group, before you rely on it.
"""


def write_card(recipe: Recipe, outcome: Outcome) -> str:
    """Write the card as Markdown."""
    hours = sum(run.seconds for run in outcome.runs) / 3600
    kwh, grams = recipe.energy.footprint(hours)
    return _CARD.format(
        front_matter=_front_matter(recipe),
        name=outcome.name,
        base=outcome.base,
        labels=", ".join(recipe.labels),
        corpora=_corpora(outcome),
        settings=_settings(recipe),
        steps=sum(run.step for run in outcome.runs),
        num_steps=outcome.num_steps,
        tokens=sum(run.tokens for run in outcome.runs),
        precision=outcome.precision,
        scores=_scores(outcome.runs, outcome.averaged),
        hours=hours,
        hardware=outcome.hardware,
        watts=recipe.energy.watts,
        intensity=recipe.energy.grams_co2e_per_kwh,
        kwh=kwh,
        grams=grams,
    )


def _front_matter(recipe: Recipe) -> str:
    lines = ["pipeline_tag: token-classification", "library_name: transformers"]
    if recipe.licence:
        lines.append(f"license: {json.dumps(recipe.licence)}")
    if recipe.languages:
        lines.append(f"language: {json.dumps(recipe.languages)}")
    return "\n".join(lines)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _corpora(outcome: Outcome) -> str:
    def row(size: CorpusSize, use: str) -> list[object]:
        corpus = size.corpus
        part = "{:g}–{:g}".format(*corpus.part)
        return [corpus.file, use, part, f"{size.texts:,}", f"{size.words:,}", corpus.licence]

    rows = [row(size, f"training, × {size.corpus.repeat}") for size in outcome.sizes]
    rows += [row(size, "development") for size in outcome.development_sizes]
    return _table(["corpus", "use", "part", "texts", "words", "licence"], rows)


def _settings(recipe: Recipe) -> str:
    settings = recipe.training.model_dump()
    return _table(["training", "value"], [[key, value] for key, value in settings.items()])


def _scores(runs: Sequence[Progress], averaged: dict[str, float]) -> str:
    best = [run.best for run in runs]
    if best[0] is None:
        weights = "those of the last step" if len(runs) == 1 else "the mean of all last steps"
        return f"There was no development set; the weights are {weights}."
    names = list(best[0].scores)

    def row(*place: object, scores: dict[str, float], kept: bool) -> list[object]:
        values = [scores[name] for name in names]
        shown = [f"{value:.4f}" for value in (*values, sum(values) / len(values))]
        return [*place, *shown, "kept" if kept else ""]

    rows = [
        row(number, one.step, f"{one.loss:.4f}", scores=one.scores, kept=one is run.best)
        for number, run in enumerate(runs, start=1)
        for one in run.evaluations
    ]
    if averaged:
        rows.append(row("mean", "", "", scores=averaged, kept=True))
    table = _table(["run", "step", "loss", *names, "mean", ""], rows)
    return (
        f"Entity F1 (seqeval), or word accuracy of plain tags, on the development set:\n\n{table}"
    )
