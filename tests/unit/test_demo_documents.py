import json
from collections import Counter
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / "conf" / "demo-documents.jsonl"


@pytest.fixture(scope="module")
def documents():
    return [json.loads(line) for line in FILE.read_text("utf-8").splitlines()]


def test_the_demo_has_what_users_have(documents):
    texts = [document["text"] for document in documents]
    assert len(texts) >= 50
    assert texts[0] == "Mijn naam is Emma en ik woon in Londen."
    assert texts.count(None) == 1
    assert texts.count("") == 1
    assert any(text is not None and text != "" and not text.strip() for text in texts)
    assert max(Counter(texts).values()) == 2
    assert max(len((text or "").split()) for text in texts) > 2000
    assert len({document["language"] for document in documents}) >= 10
    assert Counter(d["language"] for d in documents)["nl"] > len(documents) / 2
    assert len({document["id"] for document in documents}) == len(documents)
