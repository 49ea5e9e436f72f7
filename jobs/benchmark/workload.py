"""What is measured on: documents of given lengths, and checkpoints of given shapes.

Must not import: pyspark. torch and transformers are imported when a checkpoint is made.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from spark_entities.udfs.checkpoint import BUNDLED_FOLDER
from spark_entities.udfs.options import BUNDLED

_DEMO = Path(__file__).resolve().parents[2] / "conf" / "demo-documents.jsonl"
_WORDS_PER_PAGE = 500
_LONGEST = 50 * _WORDS_PER_PAGE
_FIFTY_PAGES = 0.0001  # share of `mixed`
_LANGUAGE = "nl"  # of the demo documents, whose words are drawn
_NEW_WORDS = 0.05  # share of words seen nowhere else


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """Documents' lengths in words: log-normal."""

    median: float
    sigma: float


SCENARIOS = {
    "mixed": Lengths(median=60, sigma=1.1),
    "short": Lengths(median=6, sigma=0.5),
    "long": Lengths(median=3000, sigma=0.5),
}

# Exact shapes of the checkpoints of that name; weights are random, the vocabulary has their size.
# `tiny` costs next to nothing, and shows what all else costs.
SHAPES: dict[str, dict[str, Any]] = {
    "tiny": {
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
    },
    "xlm-roberta-base": {
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
    },
    "xlm-roberta-large": {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
    },
}
_VOCABULARY = 250_002
_TOKENIZER_FILES = "tokenizer*.json"


def make_documents(scenario: str, count: int, seed: int = 0) -> list[str]:
    """Make documents of Dutch words; the same ones for the same arguments.

    With `mixed`, one document in ten thousand has 50 pages.
    """
    lengths = SCENARIOS[scenario]
    rng = np.random.default_rng(seed)
    sizes = np.exp(rng.normal(np.log(lengths.median), lengths.sigma, count))
    if scenario == "mixed":
        sizes[rng.random(count) < _FIFTY_PAGES] = _LONGEST
    sizes = np.clip(sizes, 1, _LONGEST).astype(int)
    known = _demo_words()
    places = rng.integers(len(known), size=sizes.sum() * 2)
    is_new = rng.random(sizes.sum()) < _NEW_WORDS
    words = []
    for here, there, new in zip(places[::2], places[1::2], is_new, strict=True):
        word, other = known[here], known[there]
        words.append(word[: len(word) // 2 + 1] + other[len(other) // 2 :] if new else word)
    splits = np.cumsum([0, *sizes])
    return [" ".join(words[splits[i] : splits[i + 1]]) for i in range(count)]


def _demo_words() -> list[str]:
    lines = _DEMO.read_text("utf-8").splitlines()
    documents = [json.loads(line) for line in lines]
    texts = [each["text"] or "" for each in documents if each["language"] == _LANGUAGE]
    return [word for text in texts for word in text.split()]


def write_documents(documents: Sequence[str], folder: Path, num_files: int) -> None:
    """Write documents to Parquet files of about equal work: dealt out by length."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    ranked = sorted(documents, key=len)
    shuffled = np.random.default_rng(0)
    for index in range(num_files):
        dealt = ranked[index::num_files]
        shuffled.shuffle(dealt)
        pq.write_table(pa.table({"text": dealt}), folder / f"{index:05d}.parquet")


def find_model(name: str, folder: Path) -> str:
    """Return a checkpoint's folder; one of a shape is made the first time it is asked for."""
    if name == BUNDLED:
        return str(BUNDLED_FOLDER)
    if name not in SHAPES:
        return name
    target = folder / name
    if not (target / "config.json").exists():
        _make_checkpoint(name, target)
    return str(target)


def _make_checkpoint(name: str, folder: Path) -> None:
    """Save a token classifier of a shape, with the bundled tokenizer."""
    make_network(name).save_pretrained(folder)
    for path in BUNDLED_FOLDER.glob(_TOKENIZER_FILES):
        shutil.copy(path, folder)


def make_network(name: str) -> Any:
    """Make a token classifier of a shape, random but for a lean towards `O`."""
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaForTokenClassification

    labels: Any = XLMRobertaConfig.from_pretrained(BUNDLED_FOLDER)
    config = XLMRobertaConfig(
        vocab_size=_VOCABULARY,
        max_position_embeddings=514,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        id2label=labels.id2label,
        label2id=labels.label2id,
        **SHAPES[name],
    )
    torch.manual_seed(0)
    network = XLMRobertaForTokenClassification(config)
    with torch.no_grad():
        network.classifier.bias[labels.label2id["O"]] += 1.0
    return network.eval()  # type: ignore[no-untyped-call]
