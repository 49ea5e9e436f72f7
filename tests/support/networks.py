"""Tiny networks of random weights, of each family that is told positions."""

import torch
from transformers import AutoConfig, AutoModelForTokenClassification, PreTrainedModel

from spark_entities.udfs.attention import attend_our_way
from spark_entities.udfs.positions import first_position

POSITIONS = 64
VOCABULARY = 300
SHAPE = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "vocab_size": VOCABULARY,
    "num_labels": 5,
    "pad_token_id": 1,
    "initializer_range": 0.2,  # so that attention matters
}
OF_THEIR_OWN = {
    "distilbert": {"dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 48},
    "electra": {"embedding_size": 24},
    "modernbert": {"local_attention": 16, "global_attn_every_n_layers": 2},
    "mpnet": {"relative_attention_num_buckets": 8},
}
SPECIAL = {"bos_token_id": 0, "eos_token_id": 2, "cls_token_id": 0, "sep_token_id": 2}


def make_network(family: str) -> PreTrainedModel:
    """Make one of a family, attending as the engine does."""
    torch.manual_seed(0)
    config = AutoConfig.for_model(family, **SHAPE | SPECIAL | OF_THEIR_OWN.get(family, {}))
    config.max_position_embeddings = POSITIONS + first_position(config.to_dict())
    network = AutoModelForTokenClassification.from_config(config).eval()
    attend_our_way(network)
    return network
