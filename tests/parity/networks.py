"""Every family of networks that transformers classifies tokens with, beside its own forward.

`python -m tests.parity.networks` prints the table of docs/models.md. Each family comes as a tiny
checkpoint of random weights, with one small tokenizer for all; XLNet's has its token types.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from tokenizers import processors
from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    PreTrainedTokenizerFast,
)
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES as FAMILIES,
)
from transformers.utils import logging

from spark_entities import ClassifyOptions, ModelOptions, TokenClassifier
from spark_entities.udfs.errors import ModelLoadError
from tests.support.scripted import SPECIAL, make_tokenizer

LABELS = {0: "O", 1: "B-PER", 2: "I-PER", 3: "B-LOC", 4: "I-LOC"}
POSITIONS = 130
SIZES: dict[str, Any] = {
    **dict.fromkeys(("hidden_size", "d_model", "n_embd", "dim", "emb_dim", "embedding_size"), 32),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers"), 2),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads"), 4),
    **dict.fromkeys(("num_key_value_heads",), 2),
    **dict.fromkeys(("intermediate_size", "d_inner", "d_ff", "hidden_dim", "ffn_dim"), 64),
    **dict.fromkeys(("head_dim", "d_kv"), 8),
    "max_position_embeddings": POSITIONS,
    "n_positions": POSITIONS,
    "initializer_range": 0.5,
    "init_std": 0.5,
}
OVERRIDES: dict[str, dict[str, Any]] = {
    "big_bird": {
        "block_size": 4,
        "num_random_blocks": 1,
        "attention_type": "block_sparse",
        "max_position_embeddings": 128,  # a multiple of the block
    },
    "esmc": {"num_key_value_heads": 4},
    "funnel": {"block_sizes": [1, 1], "d_head": 8},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "layoutlmv3": {"coordinate_size": 4, "shape_size": 8, "visual_embed": False},
    "lilt": {"hidden_size": 48},
    "longformer": {"attention_window": 8},
    "luke": {"entity_vocab_size": 10},
    "qwen2_moe": {"num_experts": 4, "moe_intermediate_size": 16, "num_experts_per_tok": 2},
    "qwen3_moe": {"num_experts": 4, "moe_intermediate_size": 16, "num_experts_per_tok": 2},
    "roc_bert": {"enable_shape": False, "enable_pronunciation": False},
    "xlnet": {"d_head": 8},
}
_MOST_WEIGHTS = 20_000_000
SHORT, LONG = "a b c d", " ".join("abcdefghij"[place % 10] for place in range(90))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What came of a family."""

    family: str
    loads: bool
    result: str


def build(family: str, folder: Path) -> None:
    """Make a tiny checkpoint of a family."""
    tokenizer = make_tokenizer()
    types = {"model_input_names": ["input_ids", "attention_mask"]}
    if family == "xlnet":
        types = {"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]}
        tokenizer.post_processor = processors.TemplateProcessing(
            single="$A:0 </s>:0 <s>:2", pair=None, special_tokens=[("<s>", 0), ("</s>", 2)]
        )
    kind = CONFIG_MAPPING[family]
    known = {*kind().to_dict(), *getattr(kind, "attribute_map", {})}
    sizes = {key: value for key, value in SIZES.items() if key in known}
    config = kind(
        **sizes | OVERRIDES.get(family, {}),
        vocab_size=tokenizer.get_vocab_size(),
        id2label=LABELS,
        label2id={label: index for index, label in LABELS.items()},
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
    )
    with torch.device("meta"):
        size = sum(
            each.numel()
            for each in AutoModelForTokenClassification.from_config(config).parameters()
        )
    if size > _MOST_WEIGHTS:
        raise ValueError(f"its smallest configuration here has {size:,} weights")
    torch.manual_seed(0)
    AutoModelForTokenClassification.from_config(config).save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **dict(zip(("bos_token", "pad_token", "eos_token", "unk_token"), SPECIAL, strict=True)),
        **types,
    ).save_pretrained(folder)


def theirs(folder: Path, text: str) -> list[int]:
    """The labels of transformers' own forward, of the tokens of the text alone."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModelForTokenClassification.from_pretrained(folder, dtype="float32").eval()
    given = tokenizer(text, return_tensors="pt", return_special_tokens_mask=True)
    text_tokens = given.pop("special_tokens_mask")[0] == 0
    with torch.inference_mode():
        return network(**given).logits[0].argmax(-1)[text_tokens].tolist()


def compare(family: str, folder: Path) -> Row:
    """Build a family, load it, and compare."""
    try:
        build(family, folder)
    except Exception as error:  # of transformers' making
        return Row(
            family=family, loads=False, result=f"not built: {type(error).__name__} {error}"[:200]
        )
    model = ModelOptions(name=str(folder), precision="float32")
    options = ClassifyOptions(aggregation_strategy="none", stride=8)
    load = partial(TokenClassifier.load, model, options, "cpu")
    try:
        classifier = load()
    except ModelLoadError as error:
        return Row(family=family, loads=False, result=str(error))
    faults = []
    for text in (SHORT, LONG):
        encoding = classifier.encode([text])
        if classifier.forward(encoding).label_ids.tolist() != theirs(folder, text):
            faults.append(f"other labels than transformers' forward ({len(text)} characters)")
    alone = {text: load().classify([text]).to_pylist()[0] for text in (SHORT, LONG)}
    faults += [row["error"] for row in alone.values() if row["error"]]
    for texts in ([SHORT, LONG], [LONG, "a b", SHORT], [SHORT], [LONG], [SHORT]):
        rows = zip(texts, classifier.classify(texts).to_pylist(), strict=True)
        if any(text in alone and _labels(row) != _labels(alone[text]) for text, row in rows):
            faults.append("a document comes out otherwise beside or after another")
    notes = [] if classifier.model.pads else ["batches of equal length"]
    notes += ["token types"] if classifier.model.frame.types else []
    return Row(family=family, loads=True, result="; ".join(faults or ["equal", *notes]))


def _labels(row: dict[str, Any]) -> list[Any]:
    return [(each["entity"], each["start"], each["end"]) for each in row["entities"] or ()]


def rows(families: Iterable[str]) -> Iterator[Row]:
    """Compare families, one after the other."""
    logging.set_verbosity_error()
    for family in families:
        with tempfile.TemporaryDirectory() as folder:
            row = compare(family, Path(folder))
            yield replace(row, result=row.result.replace(folder, "…"))


def main() -> int:
    """Print the table; returns 1 if any differs."""
    table = Table("family", "loads", "result")
    failed = False
    for row in rows(sys.argv[1:] or FAMILIES):
        failed |= row.loads and not row.result.startswith("equal")
        table.add_row(row.family, "yes" if row.loads else "no", row.result)
    Console(width=max(Console().width, 120)).print(table)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
