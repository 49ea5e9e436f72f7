"""Windows end to end give what windows in padded rows give, in each family that is said to pack.

No GPU is needed: behind the same interface, attention runs window by window on the CPU.
"""

import logging
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedModel

from spark_entities.udfs import attention
from spark_entities.udfs.attention import (
    pack_positions,
    packed,
    without_plans,
)
from spark_entities.udfs.positions import PACKING_FAMILIES, first_position
from tests.support.networks import POSITIONS, VOCABULARY, make_network
from tests.support.packs import packs_on_cpu
from tests.support.reads import Reads

CPU = torch.device("cpu")


@pytest.fixture
def packing() -> Iterator[None]:
    with packs_on_cpu():
        yield


def make_windows(sizes: list[int], seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(3, VOCABULARY, (size,), generator=generator) for size in sizes]


@torch.inference_mode()
def in_padded_rows(network: PreTrainedModel, windows: list[torch.Tensor]) -> torch.Tensor:
    width = max(map(len, windows))
    ids = torch.stack([torch.nn.functional.pad(w, (0, width - len(w)), value=1) for w in windows])
    mask = torch.stack([torch.arange(width) < len(window) for window in windows]).long()
    return network(input_ids=ids, attention_mask=mask).logits[mask.bool()]


@torch.inference_mode()
def in_a_pack(
    network: PreTrainedModel, windows: list[torch.Tensor], first: int | None = None
) -> torch.Tensor:
    positions = torch.cat([torch.arange(len(window)) for window in windows])
    positions += first_position(network.config.to_dict()) if first is None else first
    splits = np.cumsum([0, *map(len, windows)])
    with packed(torch.tensor(splits, dtype=torch.int32), max(map(len, windows))):
        output = network(input_ids=torch.cat(windows)[None], position_ids=positions[None])
    return output.logits[0]


@pytest.mark.usefixtures("packing")
@pytest.mark.parametrize("family", sorted(PACKING_FAMILIES))
def test_a_pack_gives_what_padded_rows_give(family):
    network = make_network(family)
    windows = make_windows([POSITIONS, 1, 30, 17, 2, POSITIONS, 5])
    torch.testing.assert_close(
        in_a_pack(network, windows), in_padded_rows(network, windows), atol=1e-5, rtol=1e-5
    )


@pytest.mark.usefixtures("packing")
@pytest.mark.parametrize("family", sorted(PACKING_FAMILIES))
def test_a_family_that_packs_is_seen_to(family):
    network = make_network(family)
    first = pack_positions(network, POSITIONS, CPU)
    assert first == (2 if family in {"camembert", "data2vec-text"} or "roberta" in family else 0)


@pytest.fixture(scope="module")
def xlm_roberta() -> PreTrainedModel:
    return make_network("xlm-roberta")


@settings(max_examples=50)  # two forwards each
@given(sizes=st.lists(st.integers(1, 40), min_size=2, max_size=6), data=st.data())
def test_no_window_of_a_pack_sees_another(xlm_roberta, sizes, data):
    changed = data.draw(st.integers(0, len(sizes) - 1))
    with packs_on_cpu():
        windows = make_windows(sizes)
        others = [
            make_windows(sizes, seed=1)[at] if at == changed else window
            for at, window in enumerate(windows)
        ]
        before, after = (in_a_pack(xlm_roberta, each).split(sizes) for each in (windows, others))
    for at in range(len(sizes)):
        assert torch.equal(before[at], after[at]) == (
            at != changed or torch.equal(windows[at], others[at])
        )


@pytest.mark.usefixtures("packing")
@pytest.mark.parametrize("positions", [POSITIONS, 20, 1])
@pytest.mark.parametrize("pad_token_id", [None, 0, VOCABULARY - 1])
def test_a_network_is_asked_by_ids_it_has_and_by_two_neighbours(positions, pad_token_id):
    """Whatever its vocabulary and padding: an id beyond the embeddings would break a GPU."""
    network = make_network("bert")
    network.config.pad_token_id = pad_token_id
    seen = []
    hook = network.get_input_embeddings().register_forward_pre_hook(
        lambda _, given: seen.append(given[0][0])
    )
    assert pack_positions(network, positions, CPU) == 0
    hook.remove()
    ids = torch.cat(seen)
    assert 0 <= ids.min() <= ids.max() < VOCABULARY
    assert pad_token_id not in ids.tolist()
    one, _, together, beside_other = seen
    assert len(one) == 1 or not torch.equal(together, beside_other)


@pytest.mark.usefixtures("packing")
def test_a_network_whose_windows_see_each_other_is_found_out(monkeypatch):
    def leak(query, key, value, *_, scale, window_size):
        q, k, v = (each.transpose(0, 1)[None] for each in (query, key, value))
        return torch.nn.functional.scaled_dot_product_attention(q, k, v)[0].transpose(0, 1)

    monkeypatch.setattr(attention, "_attend_to_windows", leak)
    assert pack_positions(make_network("bert"), POSITIONS, CPU) is None


@pytest.mark.usefixtures("packing")
def test_positions_that_are_off_are_found_out(monkeypatch):
    network = make_network("roberta")
    monkeypatch.setattr(attention, "first_position", lambda _: 0)
    assert pack_positions(network, POSITIONS, CPU) is None


@pytest.mark.usefixtures("packing")
@pytest.mark.parametrize("error", [RuntimeError, ValueError, TypeError])
def test_a_kernel_that_refuses_leaves_windows_padded(monkeypatch, caplog, error):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(attention, "_attend_to_windows", refuse)
    with caplog.at_level(logging.INFO, "spark_entities"):
        assert pack_positions(make_network("bert"), POSITIONS, CPU) is None
    assert caplog.messages == [
        "Windows go through BertForTokenClassification side by side, with padding: an attempt "
        f"ended in {error.__name__}."
    ]


@pytest.mark.parametrize(
    ("family", "dtype", "kernel", "reason"),
    [
        ("bert", torch.bfloat16, None, "torch before 2.10 has no attention of variable length"),
        ("bert", torch.float32, print, "attention of variable length does not compute in torch.f"),
        ("bert", torch.bfloat16, print, "attention of variable length does not run on cpu"),
        ("layoutlm", torch.bfloat16, print, "packs were not tested with models of type layoutlm"),
        ("mpnet", torch.bfloat16, print, "it has an attention of its own"),
    ],
)
def test_why_windows_are_padded_is_logged(monkeypatch, caplog, family, dtype, kernel, reason):
    monkeypatch.setattr(attention, "_attend_to_windows", kernel)
    with caplog.at_level(logging.INFO, "spark_entities"):
        assert pack_positions(make_network(family).to(dtype), POSITIONS, CPU) is None
    assert f"side by side, with padding: {reason}" in caplog.text


@pytest.mark.parametrize("family", sorted(PACKING_FAMILIES))
def test_nobody_looks_at_what_is_on_the_device(family):
    network = make_network(family)
    windows = make_windows([9, 5, 1])
    width = 9
    ids = torch.stack([torch.nn.functional.pad(w, (0, width - len(w)), value=1) for w in windows])
    mask = torch.stack([torch.arange(width) < len(window) for window in windows]).long()
    with torch.inference_mode(), Reads() as reads:
        network(input_ids=ids, attention_mask=mask)
    assert reads.names == []


def test_transformers_own_mask_is_looked_at():
    network = make_network("bert")
    network.set_attn_implementation("sdpa")
    with torch.inference_mode(), Reads() as reads:
        network(input_ids=torch.full((1, 2), 5), attention_mask=torch.tensor([[1, 0]]))
    assert reads.names


def test_backends_with_plans_are_off_inside_alone():
    """A GPU is pretended: which backends torch may take is a switch, and can be read without."""
    assert torch.backends.cuda.cudnn_sdp_enabled()
    with without_plans(torch.device("cuda")):
        assert not torch.backends.cuda.cudnn_sdp_enabled()
        assert torch.backends.cuda.flash_sdp_enabled()
    assert torch.backends.cuda.cudnn_sdp_enabled()
