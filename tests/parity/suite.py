"""The engine beside transformers' pipeline: `python -m tests.parity.suite` prints the table.

Entities and scores must be equal, but where one of the differences that ARCHITECTURE.md lists is at
work: punctuation that touches a word, or a word start that is a piece of its own. Outer white space
of the pipeline's offsets is cut off before comparing; that difference is listed too.
"""

from __future__ import annotations

import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from rich.console import Console
from rich.table import Table
from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    PreTrainedTokenizerBase,
    pipeline,
)

from spark_entities import ClassifyOptions, ModelOptions, TokenClassifier
from spark_entities.udfs.options import AggregationStrategy
from tests.support.families import FAMILIES, make_checkpoint

STRATEGIES = get_args(AggregationStrategy)
MAX_SCORE_DIFFERENCE = 1e-4

TEXTS = [
    "Mijn naam is Emma en ik woon in Londen",
    "Frans van Houten werkte bij Philips in Eindhoven",
    "gisteren sprak Willem de Vries met Annelies de Bruijn in Utrecht",
    "Stockholm Zürich Oslo København Malmö",
    "de trein naar Gent vertrekt om negen uur van spoor vier",
    "Universiteit Leiden opent een museum voor kinderen",
    "vergadering in het stadhuis van Deventer op maandag",
    "Margaret Whitfield has been appointed librarian of Leeds",
    "Die Stadt Köln sucht Lehrer für Musik und Sport",
    "La mairie de Lyon prépare une fête pour Camille",
    "Mijn naam is Emma en ik woon in Londen.",
    "Zij belde (uit Amsterdam), zei hij.",
    'Bij "Philips" in Eindhoven: Jean-Pierre.',
    "Jan\nAmsterdam/Utrecht, AT&T!",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How many texts came out equal, differed as meant, or differed without a reason."""

    family: str
    strategy: str
    texts: int
    equal: int
    deliberate: int
    unexplained: int


def compare(family: str, folder: Path) -> list[Outcome]:
    """Compare all strategies on one family's checkpoint."""
    network = AutoModelForTokenClassification.from_pretrained(folder, dtype="float32")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    outcomes = []
    for strategy in STRATEGIES:
        theirs = pipeline(
            "token-classification",
            model=network,
            tokenizer=tokenizer,
            aggregation_strategy=strategy,
        )
        options = ClassifyOptions(aggregation_strategy=strategy)
        model = ModelOptions(name=str(folder), precision="float32")
        ours = TokenClassifier.load(model, options, "cpu").classify(TEXTS).to_pylist()
        same = [
            _equal(text, row["entities"], theirs(text))
            for text, row in zip(TEXTS, ours, strict=True)
        ]
        meant = [
            not equal and differs_by_design(text, tokenizer)
            for text, equal in zip(TEXTS, same, strict=True)
        ]
        outcomes.append(
            Outcome(
                family=family,
                strategy=strategy,
                texts=len(same),
                equal=sum(same),
                deliberate=sum(meant),
                unexplained=len(same) - sum(same) - sum(meant),
            )
        )
    return outcomes


def differs_by_design(text: str, tokenizer: PreTrainedTokenizerBase) -> bool:
    """Tell whether a text has what the pipeline and the engine are known to see differently."""
    glued = re.search(r"\w[^\w\s]|[^\w\s]\w", text) is not None
    return glued or not {"\u2581", "\u0120"}.isdisjoint(tokenizer.tokenize(text))


def _equal(text: str, ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> bool:
    def place(entity: dict[str, Any]) -> tuple[Any, ...]:
        covered = text[entity["start"] : entity["end"]]
        start = entity["start"] + len(covered) - len(covered.lstrip())
        group = entity.get("entity_group") or entity["entity"]
        return group, start, start + len(covered.strip())

    return [*map(place, ours)] == [*map(place, theirs)] and all(
        abs(our["score"] - float(their["score"])) <= MAX_SCORE_DIFFERENCE
        for our, their in zip(ours, theirs, strict=True)
    )


def main() -> int:
    """Print the table; returns 1 if anything is unexplained."""
    table = Table("family", "strategy", "texts", "equal", "deliberately different", "unexplained")
    unexplained = 0
    for family in FAMILIES:
        with tempfile.TemporaryDirectory() as folder:
            for outcome in compare(family, make_checkpoint(family, Path(folder))):
                unexplained += outcome.unexplained
                numbers = outcome.texts, outcome.equal, outcome.deliberate, outcome.unexplained
                table.add_row(family, outcome.strategy, *map(str, numbers))
    Console().print(table)
    return int(unexplained > 0)


if __name__ == "__main__":
    sys.exit(main())
