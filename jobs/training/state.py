"""What a run that was stopped goes on from: weights, optimizer, step, and the best so far.

Enters: the parts of a run. Leaves: one file, replaced as a whole. Must not import: Spark.

Nothing random needs to be kept: the order of texts follows from the seed, and dropout from seed,
step and process (see `loop`). The file is read as tensors and plain values, which can run no code.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from spark_entities.jobs.training.recipe import Recipe
from spark_entities.udfs.errors import ConfigError

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class DevelopmentScores:
    """Scores of the development corpora at some step, and the training loss since the last."""

    step: int
    loss: float
    scores: dict[str, float]  # by corpus: entity F1, or word accuracy
    score: float  # their mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is."""

    step: int = 0
    seconds: float = 0.0  # of training, over all its starts
    tokens: int = 0  # that went through the network, padding not counted
    loss: float = 0.0  # running sum since the last evaluation
    loss_steps: int = 0
    evaluations: tuple[DevelopmentScores, ...] = ()

    @property
    def best(self) -> DevelopmentScores | None:
        """The first of the best evaluations."""
        return max(self.evaluations, key=lambda one: one.score, default=None)

    def is_stale(self, patience: int | None) -> bool:
        """Tell whether the last `patience` evaluations were no better than one before them."""
        if patience is None or self.best is None:
            return False
        after = [one for one in self.evaluations if one.step > self.best.step]
        return len(after) >= patience

    def add_step(self, loss: float, tokens: int, seconds: float) -> Progress:
        """Count one more step."""
        return replace(
            self,
            step=self.step + 1,
            seconds=seconds,
            tokens=self.tokens + tokens,
            loss=self.loss + loss,
            loss_steps=self.loss_steps + 1,
        )

    def add_evaluation(self, scores: dict[str, float]) -> Progress:
        """Note the scores of the step at hand."""
        evaluation = DevelopmentScores(
            step=self.step,
            loss=self.loss / max(1, self.loss_steps),
            scores=scores,
            score=sum(scores.values()) / len(scores),
        )
        return replace(self, evaluations=(*self.evaluations, evaluation), loss=0.0, loss_steps=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the file holds."""

    progress: Progress
    network: Weights
    optimizer: dict[str, Any]
    best: Weights | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFile:
    """The checkpoint of a run beside its output, and what it must agree with."""

    path: Path
    fingerprint: str = field(repr=False)

    def save(self, state: State) -> None:
        """Replace the file; a run that dies in the middle leaves the one before."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_suffix(".part")
        content = {
            "fingerprint": self.fingerprint,
            "progress": json.dumps(asdict(state.progress)),
            "network": state.network,
            "optimizer": state.optimizer,
            "best": state.best,
        }
        torch.save(content, unfinished)
        unfinished.replace(self.path)

    def load(self) -> State | None:
        """Read the file, if there is one.

        Raises:
            ConfigError: if it is of another recipe, base or corpora.

        """
        if not self.path.exists():
            return None
        content = torch.load(self.path, map_location="cpu", weights_only=True)
        if content["fingerprint"] != self.fingerprint:
            raise ConfigError(
                f"{self.path} is the checkpoint of a run with another recipe, base, corpora or "
                f"number of processes. Delete {self.path.parent}, or give another --output."
            )
        fields = json.loads(content["progress"])
        evaluations = tuple(DevelopmentScores(**one) for one in fields.pop("evaluations"))
        return State(
            progress=Progress(**fields, evaluations=evaluations),
            network=content["network"],
            optimizer=content["optimizer"],
            best=content["best"],
        )


def fingerprint(recipe: Recipe, corpora: Path, base: Path, processes: int) -> str:
    """Return a digest of what a run's result depends on."""
    digest = hashlib.sha256(f"{recipe.model_dump_json()} {processes}".encode())
    names = sorted({corpus.file for corpus in [*recipe.corpora, *recipe.development]})
    files = [corpora / name for name in names]
    for path in [*files, base / "tokenizer.json", *sorted(base.glob("*.safetensors"))]:
        if path.exists():
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
