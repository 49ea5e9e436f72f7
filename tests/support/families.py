"""One small tokenizer of each family that token classifiers use, trained on the demo documents.

Each comes as a checkpoint on disk with a tiny encoder of random weights, so that the real loading
code runs, and transformers' own pipeline beside it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from math import log
from pathlib import Path

import torch
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import BertConfig, BertForTokenClassification, PreTrainedTokenizerFast

from spark_entities.jobs.training.bundled_base import WORD_START

LABELS = {0: "O", 1: "B-PER", 2: "I-PER", 3: "B-LOC", 4: "I-LOC"}
DOCUMENTS = Path(__file__).parents[2] / "conf" / "demo-documents.jsonl"
XLMR_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
_MARKS = re.compile(r"([\W_]*)(.*?)([\W_]*)", re.DOTALL)
BERT_SPECIAL = ["[CLS]", "[PAD]", "[SEP]", "[UNK]"]


def split_marks(word: str) -> list[str]:
    """Split the punctuation off both ends of a word, each mark by itself.

    On running text the trainer would learn pieces such as `▁Londen.`, which no aggregation can cut.
    """
    before, core, after = _MARKS.fullmatch(word).groups()  # type: ignore[union-attr]
    return [*before, *([core] if core else []), *after]


def _texts() -> Iterator[str]:
    for line in DOCUMENTS.read_text("utf-8").splitlines():
        for sentence in (json.loads(line)["text"] or "").splitlines():
            words = sentence.split()
            yield " ".join(mark for word in words for mark in split_marks(word))


def _unigram(pre_tokenizer: pre_tokenizers.PreTokenizer) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC()])
    tokenizer.pre_tokenizer = pre_tokenizer
    trainer = trainers.UnigramTrainer(
        vocab_size=1500, special_tokens=XLMR_SPECIAL, unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(_texts(), trainer)
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer


def join_word_starts(
    tokenizer: Tokenizer,
    texts: Sequence[str],
    num_pieces: int,
    special_tokens: Sequence[str],
) -> list[tuple[str, float]]:
    """Re-estimate a Unigram vocabulary with the lone word start joined to the piece after it.

    Training leaves one word in five as `▁` and `groei`. The most frequent pieces are kept, by their
    count in the joined segmentation; single characters are always kept. Returns pieces and log
    probabilities, the special tokens first.
    """
    counts: Counter[str] = Counter()
    for encoding in tokenizer.encode_batch(texts, add_special_tokens=False):
        joined = " ".join(encoding.tokens).replace(f"{WORD_START} ", WORD_START)
        counts.update(joined.split(" "))
    for token in special_tokens:
        counts.pop(token, None)
    pieces = tokenizer.get_vocab().keys() - set(special_tokens)
    letters = {piece: max(counts.pop(piece, 0), 1) for piece in sorted(pieces) if len(piece) == 1}
    kept = letters | dict(counts.most_common(num_pieces - len(special_tokens) - len(letters)))
    total = sum(kept.values())
    scores = {piece: log(count / total) for piece, count in kept.items()}
    ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    return [*((token, 0.0) for token in special_tokens), *ranked]


def _xlm_roberta() -> Tokenizer:
    """As XLM-RoBERTa's, but lone word starts are joined to the piece after them."""
    split = [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    tokenizer = _unigram(pre_tokenizers.Sequence(split))
    pieces = join_word_starts(tokenizer, [*_texts()], 1500, XLMR_SPECIAL)
    tokenizer.model = models.Unigram(pieces, unk_id=XLMR_SPECIAL.index("<unk>"))
    return tokenizer


def _metaspace() -> Tokenizer:
    return _unigram(pre_tokenizers.Metaspace())


def _wordpiece(*, lowercase: bool) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=1500, special_tokens=BERT_SPECIAL, show_progress=False
    )
    tokenizer.train_from_iterator(_texts(), trainer)
    return tokenizer


def _byte_level(*, add_prefix_space: bool, trim_offsets: bool, modern: bool = False) -> Tokenizer:
    special = BERT_SPECIAL if modern else XLMR_SPECIAL
    tokenizer = Tokenizer(models.BPE())
    if modern:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    trainer = trainers.BpeTrainer(
        vocab_size=1500,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(), trainer)
    if trim_offsets:
        tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    return tokenizer


FAMILIES: dict[str, Callable[[], Tokenizer]] = {
    "XLM-R Unigram": _xlm_roberta,
    "Metaspace Unigram": _metaspace,
    "WordPiece cased": lambda: _wordpiece(lowercase=False),
    "WordPiece uncased": lambda: _wordpiece(lowercase=True),
    "byte BPE": lambda: _byte_level(add_prefix_space=False, trim_offsets=False),
    "byte BPE, prefix space": lambda: _byte_level(add_prefix_space=True, trim_offsets=True),
    "ModernBERT BPE": lambda: _byte_level(add_prefix_space=False, trim_offsets=True, modern=True),
}


def make_checkpoint(family: str, folder: Path) -> Path:
    """Train the family's tokenizer and save it beside a tiny encoder of random weights."""
    tokenizer = FAMILIES[family]()
    special = BERT_SPECIAL if tokenizer.token_to_id("[CLS]") is not None else XLMR_SPECIAL
    start, pad, end, unknown = special
    template = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        pair=None,
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (start, end)],
    )
    before = [tokenizer.post_processor] if tokenizer.post_processor else []
    tokenizer.post_processor = processors.Sequence([*before, template])
    torch.manual_seed(0)
    BertForTokenClassification(
        BertConfig(
            vocab_size=tokenizer.get_vocab_size(),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            initializer_range=0.5,  # labels that vary
            id2label=LABELS,
            label2id={label: index for index, label in LABELS.items()},
            pad_token_id=tokenizer.token_to_id(pad),
        )
    ).save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=512,
        cls_token=start,
        sep_token=end,
        pad_token=pad,
        unk_token=unknown,
    ).save_pretrained(folder)
    return folder
