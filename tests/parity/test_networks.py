"""Families whose ways differ: as transformers alone, whatever stands beside or came before."""

import pytest

from tests.parity.networks import rows

EQUAL_LENGTHS = "equal; batches of equal length"


@pytest.mark.parametrize(
    ("family", "result"),
    [
        ("big_bird", EQUAL_LENGTHS),  # changes its attention at some length, and keeps it
        ("convbert", EQUAL_LENGTHS),  # convolves what stands beside padding
        ("fnet", EQUAL_LENGTHS),  # takes no mask
        ("funnel", EQUAL_LENGTHS),
        ("gpt2", "equal"),  # says n_positions
        ("lilt", "equal"),  # counts positions from its padding token
        ("longformer", "equal"),
        ("xlnet", "equal; token types"),
    ],
)
def test_a_family_gives_what_transformers_gives_whatever_came_before(family, result):
    [row] = rows([family])
    assert (row.loads, row.result) == (True, result)


@pytest.mark.parametrize(
    ("family", "reason"),
    [("bros", "You have to specify bbox"), ("xmod", "Input language unknown")],
)
def test_a_network_that_needs_more_than_tokens_is_refused_at_load(family, reason):
    [row] = rows([family])
    assert not row.loads
    assert "does not classify a text by its tokens alone" in row.result
    assert reason in row.result
