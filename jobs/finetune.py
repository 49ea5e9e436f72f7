"""Fine-tune a base model for token classification on CoNLL files, in one process.

Enters: a recipe (YAML), a folder of CoNLL files, the folder of a base checkpoint.
Leaves: a float16 safetensors checkpoint with its tokenizer.
Must not import: Spark.

Only the first piece of each word is trained, as the reference model was; corpora that lack an
entity type take part through a partial-label loss.
"""

from __future__ import annotations

import argparse
import logging
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    PreTrainedTokenizerBase,
    get_linear_schedule_with_warmup,
)

from jobs.conll import Sentence, detokenise, read_conll
from jobs.recipe import Corpus, Recipe, load_recipe

log = logging.getLogger("spark_entities.finetune")

IGNORED = -1  # the target of a token that is not the first of its word


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One training text. Both arrays: int64, (num_tokens,); `targets` index the allowed sets."""

    input_ids: NDArray[np.int64]
    targets: NDArray[np.int64]


def allowed_labels(labels: Sequence[str], corpora: Sequence[Corpus]) -> NDArray[np.bool_]:
    """Tell which labels each target stands for.

    Row `i < len(labels)` allows label `i` alone. Row `len(labels) + c` is an `O` of corpus `c`:
    `O`, or any label of a type that the corpus does not annotate.

    Returns bool, (len(labels) + len(corpora), len(labels)).
    """
    outside = [
        [label == "O" or label[2:] in corpus.missing for label in labels] for corpus in corpora
    ]
    return np.concatenate([np.eye(len(labels), dtype=bool), np.array(outside, dtype=bool)])


def sentence_targets(
    sentence: Sentence, corpus: Corpus, outside: int, labels: Sequence[str]
) -> list[int]:
    """Give each word the index of its allowed set.

    Types that the model does not know count as `O`; plain tags that it does not know are ignored.
    """
    unknown = outside if "O" in labels else IGNORED
    targets = []
    for tag in sentence.tags:
        role, name = (tag[:2], tag[2:]) if tag[:2] in ("B-", "I-") else ("", tag)
        label = f"{role}{corpus.rename.get(name, name)}"
        if label == "O":
            targets.append(outside)
        else:
            targets.append(labels.index(label) if label in labels else unknown)
    return targets


def make_examples(
    recipe: Recipe, folder: Path, tokenizer: PreTrainedTokenizerBase, rng: random.Random
) -> list[Example]:
    """Read the corpora as texts of a few sentences; the first piece of a word has its target."""
    labels = recipe.labels
    texts: list[str] = []
    starts: list[NDArray[np.int64]] = []  # of the words, in characters
    targets: list[NDArray[np.int64]] = []  # of the words
    for index, corpus in enumerate(recipe.corpora):
        sentences = list(read_conll(folder / corpus.file))
        outside = len(labels) + index
        for _ in range(corpus.repeat):
            for group in _groups(sentences, recipe.training.max_sentences_per_text, rng):
                text = detokenise(list(chain.from_iterable(s.words for s in group)))
                tags = [sentence_targets(s, corpus, outside, labels) for s in group]
                texts.append(text.text)
                starts.append(np.array([start for start, _ in text.offsets]))
                targets.append(np.array([*chain.from_iterable(tags)]))
    encoded = tokenizer(texts, truncation=True, return_offsets_mapping=True)
    examples = []
    for ids, offsets, word_starts, word_targets in zip(
        encoded["input_ids"], encoded["offset_mapping"], starts, targets, strict=True
    ):
        examples.append(
            Example(
                input_ids=np.array(ids),
                targets=first_piece_targets(np.array(offsets), word_starts, word_targets),
            )
        )
    return examples


def _groups(
    sentences: Sequence[Sentence], max_sentences: int, rng: random.Random
) -> Iterator[Sequence[Sentence]]:
    start = 0
    while start < len(sentences):
        size = rng.randint(1, max_sentences)
        yield sentences[start : start + size]
        start += size


def first_piece_targets(
    offsets: NDArray[np.int64], word_starts: NDArray[np.int64], word_targets: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Spread the targets of words over tokens: the first token of a word gets it, the rest none.

    `offsets`: (num_tokens, 2), special tokens empty. Returns int64, (num_tokens,).

    >>> offsets = np.array([[0, 0], [0, 4], [4, 6], [6, 7]])
    >>> first_piece_targets(offsets, np.array([0, 6]), np.array([5, 0]))
    array([-1,  5, -1,  0])
    """
    word = np.searchsorted(word_starts, offsets[:, 0], side="right") - 1
    real = offsets[:, 1] > offsets[:, 0]
    word[~real] = -1
    first = real & (word != np.concatenate([[-1], np.maximum.accumulate(word)[:-1]]))
    return np.where(first, word_targets[word], IGNORED)


def make_batches(
    examples: Sequence[Example], max_padded_tokens: int, rng: random.Random
) -> list[list[Example]]:
    """Cut examples of similar length into batches under a budget, in a random order."""
    shuffled = sorted(examples, key=lambda example: (len(example.input_ids), rng.random()))
    batches: list[list[Example]] = [[]]
    for example in shuffled:
        if (len(batches[-1]) + 1) * len(example.input_ids) > max_padded_tokens and batches[-1]:
            batches.append([])
        batches[-1].append(example)
    rng.shuffle(batches)
    return batches


def partial_label_loss(
    logits: torch.Tensor, targets: torch.Tensor, allowed: torch.Tensor
) -> torch.Tensor:
    """Return the mean over tokens of −log(sum of the probabilities of the labels allowed).

    `logits`: (num_tokens, num_labels); `targets`: (num_tokens,), `IGNORED` where none;
    `allowed`: bool, (num_targets, num_labels).
    """
    kept = targets != IGNORED
    log_probabilities = logits[kept].log_softmax(-1)
    masked = log_probabilities.masked_fill(~allowed[targets[kept]], -torch.inf)
    return -masked.logsumexp(-1).mean()


def finetune(recipe: Recipe, corpora: Path, base: Path, output: Path) -> None:
    """Train the base model by the recipe and write it, with its tokenizer, as float16."""
    options = recipe.training
    rng = random.Random(options.seed)
    torch.manual_seed(options.seed)
    tokenizer = AutoTokenizer.from_pretrained(base)
    labels = recipe.labels
    model = AutoModelForTokenClassification.from_pretrained(
        base,
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
        ignore_mismatched_sizes=True,  # a head of other labels starts anew
    )
    allowed = torch.from_numpy(allowed_labels(labels, recipe.corpora))
    examples = make_examples(recipe, corpora, tokenizer, rng)
    num_tokens = sum(len(example.input_ids) for example in examples)
    log.info("%d texts, %d tokens, %d epochs", len(examples), num_tokens, options.epochs)

    epochs = [make_batches(examples, options.max_padded_tokens, rng) for _ in range(options.epochs)]
    num_steps = sum(map(len, epochs))
    head = list(model.classifier.parameters())
    body = [p for name, p in model.named_parameters() if not name.startswith("classifier.")]
    optimizer = torch.optim.AdamW(
        [
            {"params": body, "lr": options.learning_rate},
            {"params": head, "lr": options.head_learning_rate},
        ],
        weight_decay=options.weight_decay,
        fused=True,
    )
    schedule = get_linear_schedule_with_warmup(  # type: ignore[no-untyped-call]
        optimizer, int(options.warmup_fraction * num_steps), num_steps
    )
    model.train()
    started, seen, recent = time.monotonic(), 0, 0.0
    for step, batch in enumerate(chain.from_iterable(epochs), start=1):
        input_ids, mask, targets = _collate(batch, model.config.pad_token_id)
        logits = model(input_ids=input_ids, attention_mask=mask).logits
        loss = partial_label_loss(logits.flatten(0, 1), targets.flatten(), allowed)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        seen += int(mask.sum())
        recent = 0.98 * recent + 0.02 * loss.item()
        if step % 100 == 0 or step == num_steps:
            rate = seen / (time.monotonic() - started)
            loss_now = recent / (1 - 0.98**step)
            log.info("step %d of %d: loss %.4f, %.0f tokens/s", step, num_steps, loss_now, rate)
            if step % 1000 == 0:
                _save(model, tokenizer, output)
    _save(model, tokenizer, output)


def _save(model: torch.nn.Module, tokenizer: PreTrainedTokenizerBase, output: Path) -> None:
    factory: Any = AutoModelForTokenClassification
    half = factory.from_config(model.config).half()
    half.load_state_dict(model.state_dict())
    half.save_pretrained(output)
    tokenizer.save_pretrained(output)


def _collate(
    batch: Sequence[Example], pad_token_id: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    shape = len(batch), max(len(example.input_ids) for example in batch)
    input_ids, targets = np.full(shape, pad_token_id), np.full(shape, IGNORED)
    mask = np.zeros(shape, dtype=np.int64)
    for row, example in enumerate(batch):
        input_ids[row, : len(example.input_ids)] = example.input_ids
        targets[row, : len(example.targets)] = example.targets
        mask[row, : len(example.input_ids)] = 1
    return torch.from_numpy(input_ids), torch.from_numpy(mask), torch.from_numpy(targets)


def main() -> None:
    """Run `python -m jobs.finetune --recipe … --corpora … --base … --output …`."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--corpora", type=Path, required=True, help="folder of the CoNLL files")
    parser.add_argument("--base", type=Path, required=True, help="folder of the base checkpoint")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    recipe = load_recipe(arguments.recipe)
    finetune(recipe, arguments.corpora, arguments.base, arguments.output)


if __name__ == "__main__":
    main()
