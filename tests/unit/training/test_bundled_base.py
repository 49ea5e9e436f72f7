"""The base of the bundled model, from a packed encoder as small as one can be."""

from struct import pack

import numpy as np
import pytest
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

from spark_entities.jobs.training import bundled_base
from spark_entities.jobs.training.bundled_base import (
    SPECIAL_TOKENS,
    choose_pieces,
    make_base,
    make_tokenizer,
)
from spark_entities.jobs.training.packed_encoder import load_packed_encoder, unpack_blocks
from spark_entities.jobs.training.recipe import Recipe
from spark_entities.udfs.errors import ConfigError, ModelLoadError

HIDDEN, INTERMEDIATE, LAYERS, POSITIONS = 32, 64, 3, 16
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁Emma", "a", "b", "▁b", "▁in", ".", "<mask>"]
SQUARE = (HIDDEN, HIDDEN)
MATRICES = {  # (out, in)
    **dict.fromkeys(("q", "k", "v", "ao"), SQUARE),
    "fi": (INTERMEDIATE, HIDDEN),
    "fo": (HIDDEN, INTERMEDIATE),
}


def make_blocks(values):
    """Pack whole numbers of -8 to 7 in blocks of four bits, with a scale of one half."""
    content = b""
    for block in np.asarray(values).reshape(-1, 32):
        nibbles = block.astype(np.uint8) + 8 & 15
        content += np.float16(0.5).tobytes() + (nibbles[:16] | nibbles[16:] << 4).tobytes()
    return content


def make_tensors():
    """Make the encoder's tensors: matrices in blocks, the rest in float32."""
    rng = np.random.default_rng(0)
    rows = {"emb.pos": POSITIONS, "emb.type": 2, "emb.ln.w": 1, "emb.ln.b": 1}
    plain = {name: rng.random(count * HIDDEN, np.float32) for name, count in rows.items()}
    blocks = {"emb.word": rng.integers(-8, 8, len(PIECES) * HIDDEN)}
    for layer in range(LAYERS):
        for name, (rows_out, columns) in MATRICES.items():
            blocks[f"l{layer}.{name}.w"] = rng.integers(-8, 8, rows_out * columns)
            plain[f"l{layer}.{name}.b"] = rng.random(rows_out, np.float32)
        for name in ("aln", "oln"):
            plain |= {f"l{layer}.{name}.{end}": rng.random(HIDDEN, np.float32) for end in "wb"}
    return plain, blocks


@pytest.fixture
def packed(tmp_path):
    """Write a packed encoder; return its path and what it holds."""
    plain, blocks = make_tensors()
    text = [piece.encode() for piece in PIECES]
    content = b"E5S1" + pack("<I7i", 1, HIDDEN, LAYERS, 4, INTERMEDIATE, len(PIECES), POSITIONS, 2)
    content += pack("<fi", 1e-12, 32) + pack("<5i", len(PIECES), 0, 2, 1, 3)
    content += pack("<Q", sum(map(len, text)))
    content += np.cumsum([0, *map(len, text)]).astype("<u4").tobytes()
    content += (-np.arange(len(PIECES))).astype("<f4").tobytes() + b"".join(text)
    content += pack("<iI", 1, 9) + bytes(9)
    tensors = [(name, 0, array.tobytes(), array.size) for name, array in plain.items()]
    tensors += [(name, 1, make_blocks(array), array.size) for name, array in blocks.items()]
    start = len(content) + 4 + sum(2 + len(name) + 21 for name, *_ in tensors)
    content += pack("<i", len(tensors))
    for name, kind, stored, count in tensors:
        content += pack("<H", len(name)) + name.encode()
        content += pack("<BIQQ", kind, count, start, len(stored))
        start += len(stored)
    path = tmp_path / "encoder.bin"
    path.write_bytes(content + b"".join(stored for _, _, stored, _ in tensors))
    return path, plain, blocks


def test_a_packed_encoder_is_read_whole(packed):
    path, plain, blocks = packed
    encoder = load_packed_encoder(path)
    assert encoder.pieces == tuple(PIECES)
    assert encoder.scores[:3] == (0.0, -1.0, -2.0)
    assert (encoder.num_layers, encoder.hidden_size, encoder.layer_norm_eps) == (3, 32, 1e-12)
    assert encoder.tensors.keys() == plain.keys() | blocks.keys()
    for name, array in plain.items():
        assert np.array_equal(encoder.tensors[name], array)
    for name, array in blocks.items():
        assert np.array_equal(encoder.tensors[name].ravel(), array / 2)


def test_another_file_is_refused(tmp_path):
    (tmp_path / "encoder.bin").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(ModelLoadError, match="does not begin with b'E5S1'"):
        load_packed_encoder(tmp_path / "encoder.bin")


def test_blocks_hold_two_weights_a_byte_the_second_half_in_the_high_bits():
    values = np.arange(-8, 24) % 16 - 8
    assert unpack_blocks(make_blocks(values)).tolist() == (values / 2).tolist()


def test_frequent_pieces_and_all_letters_are_kept():
    vocabulary = [(piece, -1.0) for piece in PIECES]
    texts = [["Emma Emma b", "Emma ab"]]

    def kept(num_pieces):
        return [PIECES[index] for index in choose_pieces(vocabulary, texts, num_pieces)]

    special = list(SPECIAL_TOKENS)
    assert kept(8) == [*special, "a", "b", "▁"]
    assert kept(9) == [*special, "a", "b", "▁", "▁Emma"]
    assert kept(99) == [*special, "a", "b", "▁", "▁Emma", "▁b"]


def test_words_begin_with_a_mark_and_special_tokens_in_a_text_are_theirs():
    special = [(token, 0.0) for token in SPECIAL_TOKENS]
    tokenizer = make_tokenizer([*special, ("▁in", -1.0), ("a", -2.0)])
    assert tokenizer.encode("in ina").tokens == ["<s>", "▁in", "▁in", "a", "</s>"]


def test_the_base_has_the_lower_layers_and_the_embeddings_of_its_pieces(
    packed, tmp_path, monkeypatch
):
    path, plain, blocks = packed
    monkeypatch.setattr(bundled_base, "packed_encoder_path", lambda: path)
    (tmp_path / "some.tsv").write_text("Emma\tB-PER\nb\tO\n")
    encoder = {"num_layers": 2, "num_pieces": 9, "files": ["some.tsv"]}
    recipe = Recipe(types=["PER"], encoder=encoder, corpora=[{"file": "some.tsv"}])
    make_base(recipe, tmp_path, tmp_path / "base")

    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "base")
    network = AutoModelForTokenClassification.from_pretrained(tmp_path / "base").roberta
    assert tokenizer.model_max_length == POSITIONS
    words = network.embeddings.word_embeddings.weight
    place = PIECES.index("▁Emma") * HIDDEN
    expected = torch.from_numpy(blocks["emb.word"][place : place + HIDDEN] / 2).float()
    assert torch.equal(words[tokenizer.convert_tokens_to_ids("▁Emma")], expected)
    positions = network.embeddings.position_embeddings.weight
    assert np.array_equal(positions[2:].detach().numpy().ravel(), plain["emb.pos"])
    assert len(network.encoder.layer) == 2
    output = network.encoder.layer[1].output
    expected = torch.from_numpy(blocks["l1.fo.w"] / 2).float().view(HIDDEN, INTERMEDIATE)
    assert torch.equal(output.dense.weight, expected)
    assert np.array_equal(output.LayerNorm.bias.detach().numpy(), plain["l1.oln.b"])


def test_a_recipe_without_an_encoder_makes_no_base(tmp_path):
    recipe = Recipe(types=["PER"], corpora=[{"file": "x"}])
    with pytest.raises(ConfigError, match="encoder is missing from the recipe"):
        make_base(recipe, tmp_path, tmp_path / "base")
