from pathlib import Path

import pytest
import torch
from transformers import XLMRobertaConfig, XLMRobertaForTokenClassification

from tests.support.scripted import LABELS, make_tokenizer


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A tiny XLM-RoBERTa token classifier with random weights, saved as users save theirs."""
    folder = tmp_path / "model"
    torch.manual_seed(0)
    tokenizer = make_tokenizer()
    XLMRobertaForTokenClassification(
        XLMRobertaConfig(
            vocab_size=tokenizer.get_vocab_size(),
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=34,
            type_vocab_size=1,
            id2label=LABELS,
            label2id={label: index for index, label in LABELS.items()},
        )
    ).save_pretrained(folder)
    from transformers import PreTrainedTokenizerFast

    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=10**30,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
    ).save_pretrained(folder)
    return folder
