"""What `spark-entities evaluate` tells: tables for people, and the same figures as JSON.

Enters: what was scored. Leaves: a printed table, a file. Neither has any text of the gold.
Must not import: torch, transformers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from spark_entities.jobs.config import EvaluateConfig
from spark_entities.jobs.report.terminal import make_console
from spark_entities.jobs.scoring.gold import Gold
from spark_entities.jobs.scoring.scores import KINDS, Confusion, Score, Scores
from spark_entities.udfs.checkpoint import Checkpoint

_MATRIX_TYPES = 8  # more types are told as a list of the commonest confusions
_COMMONEST = 10
_WIDEST = 1000  # columns
_FIGURES = ("precision", "recall", "f1", "gold", "predicted", "right")  # of a `Score`


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What was scored, and how it came out."""

    config: EvaluateConfig
    checkpoint: Checkpoint
    gold: Gold
    scores: Scores


def write_json(evaluation: Evaluation, path: Path) -> None:
    """Write all figures, as fractions of 1, and what they depend on. The file is replaced whole."""
    staged = path.with_name(f".{path.name}.staged")
    content = json.dumps(to_json(evaluation), indent=2, ensure_ascii=False) + "\n"
    staged.write_text(content, encoding="utf-8")
    staged.replace(path)


def to_json(evaluation: Evaluation) -> dict[str, object]:
    """Return what is written: always the same keys, in the same order."""
    config, gold, scores = evaluation.config, evaluation.gold, evaluation.scores
    options = config.gold.model_dump(exclude={"path"})
    micro = None if gold.plain else _figures(scores.micro)
    return {
        "model": {
            "identity": evaluation.checkpoint.identify(),
            "sha256": evaluation.checkpoint.digest(),
            "precision": config.model.precision,
            "labels": list(evaluation.checkpoint.scheme.labels),
        },
        "classify": asdict(config.classify),
        "gold": {
            "file": gold.path.name,
            "sha256": gold.sha256,
            **options,
            "texts": len(gold.texts),
            "sentences": len(gold.tags),
            "words": scores.num_words,
            "tags_rewritten": gold.num_rewritten,
        },
        "accuracy": scores.accuracy,
        "micro": micro,
        "types": {name: _figures(each) for name, each in scores.types.items()},
        "without": {name: _figures(scores.without(name)) for name in scores.types},
        "strict": None if gold.plain else _strict(scores),
        "lengths": {name: _figures(each) for name, each in scores.lengths.items()},
        "kinds": dict(scores.kinds),
        "remaining": {name: each._asdict() for name, each in sorted(scores.remaining.items())},
        "confusions": [
            {"gold": pair[0], "predicted": pair[1], "count": count}
            for pair, count in _commonest_first(scores)
        ],
    }


def print_evaluation(evaluation: Evaluation) -> None:
    """Print the scores: by type, by length, and what went wrong."""
    console = make_console()
    console.print()
    console.print(_heading(evaluation))
    unlimited = console.options.update(max_width=_WIDEST)
    for table in _tables(evaluation.scores):
        console.print()  # then figures whole, however narrow the terminal
        console.print(table, width=console.measure(table, options=unlimited).maximum, crop=False)


def _tables(scores: Scores) -> Iterator[Table]:
    yield _types(scores)
    if scores.strict:
        yield _lengths(scores)
        yield _kinds(scores)
        yield _remaining(scores)
    matrix = len(scores.types) <= _MATRIX_TYPES
    yield _matrix(scores) if matrix else _confusions(scores)


def _heading(evaluation: Evaluation) -> Table:
    config, gold, scores = evaluation.config, evaluation.gold, evaluation.scores
    groups, types = evaluation.checkpoint.scheme.groups, gold.types
    scheme = "plain tags" if gold.plain else "IOB2"
    if gold.num_rewritten:
        scheme += f" ({gold.num_rewritten:,} tags rewritten to it)"
    sizes = f"{scores.num_words:,} words in {len(gold.tags):,} sentences"
    rows = {
        "model": f"{evaluation.checkpoint.identify()}, precision {config.model.precision}",
        "gold": f"{gold.path.name}: {sizes}, {scheme}",
        "renamed": ", ".join(f"{old} = {new}" for old, new in config.gold.rename.items()),
        "texts": f"{len(gold.texts):,}, of one {config.gold.context} each, joined as "
        f"{config.gold.join}",
        "counted as O": f"predictions of {_names(groups, types)}, which the gold does not have",
        "never found": f"{_names(types, groups)}, which the model does not have",
    }
    empty = {
        "renamed": not config.gold.rename,
        "counted as O": set(groups) <= set(types),
        "never found": set(types) <= set(groups),
    }
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        if not empty.get(name):
            table.add_row(name, Text(value))
    return table


def _names(these: Sequence[str], those: Sequence[str]) -> str:
    return ", ".join(name for name in these if name not in those)


def _types(scores: Scores) -> Table:
    table = _table("", "precision", "recall", "F1", "gold", "predicted", "right", "rest F1")
    for name, each in scores.types.items():
        rest = scores.without(name).f1 if len(scores.types) > 1 else 0
        table.add_row(name, *_cells(each), _percent(rest))
    table.add_section()
    if scores.strict:
        table.add_row("all", *_cells(scores.micro), "", style="bold")
        table.add_row("all, strict", *_cells(scores.strict_micro), "")
    else:
        right, words = f"{scores.num_right_words:,}", f"{scores.num_words:,}"
        table.add_row(
            "accuracy", "", "", _percent(scores.accuracy), words, "", right, "", style="bold"
        )
    return table


def _lengths(scores: Scores) -> Table:
    table = _table("words", "precision", "recall", "F1", "gold", "predicted", "right")
    for name, each in scores.lengths.items():
        table.add_row(name, *_cells(each))
    return table


def _kinds(scores: Scores) -> Table:
    table = _table("kind", "count", "")
    table.columns[-1].justify = "left"
    for kind, meaning in KINDS.items():
        table.add_row(kind, f"{scores.kinds[kind]:,}", Text(meaning, style="dim"))
    return table


def _remaining(scores: Scores) -> Table:
    """Show what redaction by this model would leave in the texts."""
    table = _table("redacted", "gold", "remain, all redacted", "remain, own type redacted")
    for name, left in sorted(scores.remaining.items()):
        gold = scores.types[name].gold
        shares = (f"{number:,}  {_percent(number / gold):>5} %" for number in left)
        table.add_row(name, f"{gold:,}", *shares)
    return table


def _matrix(scores: Scores) -> Table:
    """Show gold types by row and predicted types by column; each row adds up to its gold."""
    names = list(scores.types)
    table = _table("gold \\ predicted", *names, "missed")
    for this in [*names, None]:
        cells = []
        for that in [*names, None]:
            number = scores.confusions.get((this, that), 0)
            shown = f"{number:,}" if number else "" if this is that is None else "·"
            cells.append(Text(shown, style="bold" if this == that else ""))
        table.add_row("spurious" if this is None else this, *cells)
    return table


def _confusions(scores: Scores) -> Table:
    table = _table("gold", "predicted", "words")
    table.columns[1].justify = "left"
    wrong = [(pair, number) for pair, number in _commonest_first(scores) if pair[0] != pair[1]]
    for (this, that), number in wrong[:_COMMONEST]:
        table.add_row(this or "spurious", that or "missed", f"{number:,}")
    return table


def _table(*headers: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    for index, header in enumerate(headers):
        table.add_column(header, justify="right" if index else "left", no_wrap=True)
    return table


def _cells(each: Score) -> list[str]:
    shares = map(_percent, (each.precision, each.recall, each.f1))
    return [*shares, *(f"{number:,}" for number in (each.gold, each.predicted, each.right))]


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"


def _figures(each: Score) -> dict[str, float]:
    return {name: getattr(each, name) for name in _FIGURES}


def _strict(scores: Scores) -> dict[str, object]:
    types = {name: _figures(each) for name, each in scores.strict.items()}
    return {"micro": _figures(scores.strict_micro), "types": types}


def _commonest_first(scores: Scores) -> list[tuple[Confusion, int]]:
    """Sort the confusions; those that are equally common by their names."""

    def rank(item: tuple[Confusion, int]) -> tuple[int, str, str]:
        (this, that), number = item
        return -number, this or "", that or ""

    return sorted(scores.confusions.items(), key=rank)
