"""Windows end to end give what windows alone give, for each family that is said to take them.

No GPU is needed: behind the same interface, attention runs window by window on the CPU.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModelForTokenClassification

from spark_entities.udfs import attention
from spark_entities.udfs.attention import PACKING_FAMILIES, attend_our_way, pack_positions
from spark_entities.udfs.classifier import TokenClassifier
from spark_entities.udfs.options import ClassifyOptions, ModelOptions
from tests.support.packs import packs_on_cpu

CPU = torch.device("cpu")
POSITIONS = 64
SHAPE = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "vocab_size": 300,
    "num_labels": 5,
    "pad_token_id": 1,
    "initializer_range": 0.3,  # so that attention matters
}
OF_THEIR_OWN = {
    "distilbert": {"dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 48},
    "electra": {"embedding_size": 24},
    "modernbert": {"local_attention": 16, "global_attn_every_n_layers": 2},
}


def make_network(family: str) -> torch.nn.Module:
    torch.manual_seed(0)
    config = AutoConfig.for_model(family, **SHAPE | OF_THEIR_OWN.get(family, {}))
    config.max_position_embeddings = POSITIONS + attention.first_position(config.to_dict())
    network = AutoModelForTokenClassification.from_config(config, attn_implementation="sdpa")
    attend_our_way(network.eval())
    return network


@pytest.mark.parametrize("family", sorted(PACKING_FAMILIES))
def test_a_pack_gives_what_padded_rows_give(bundled, family):
    with packs_on_cpu():
        network = make_network(family)
        first = pack_positions(network, POSITIONS, CPU)
        assert first == attention.first_position(network.config.to_dict())
        ...
