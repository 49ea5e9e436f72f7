import pytest

from tests.parity.suite import compare
from tests.support.families import FAMILIES, make_checkpoint


@pytest.mark.filterwarnings("ignore:Tokenizer does not support real words")
@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_differs_from_the_pipeline_without_a_reason(family, tmp_path):
    outcomes = compare(family, make_checkpoint(family, tmp_path))
    assert [outcome.unexplained for outcome in outcomes] == [0] * len(outcomes)
    assert sum(outcome.equal for outcome in outcomes) >= 15
