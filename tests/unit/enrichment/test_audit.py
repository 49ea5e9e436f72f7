import pytest

from spark_entities.jobs.config import EnrichConfig
from spark_entities.jobs.enrichment.audit import audit
from spark_entities.udfs.errors import PublishError

HALF = EnrichConfig(errors={"max_failed_fraction": 0.5})
MENTIONS = {"output": {"layout": "mentions"}, "input": {"id_column": "id"}}


@pytest.mark.parametrize("num_written", [9, 11])
def test_rows_lost_or_doubled_publish_nothing(num_written):
    audit(10, 10, 0, HALF)
    with pytest.raises(PublishError, match=f"10 documents were read and {num_written} written"):
        audit(10, num_written, 0, HALF)


def test_too_many_failures_publish_nothing():
    audit(10, 10, 5, HALF)
    with pytest.raises(PublishError, match=r"6 of 10 documents failed, more than .*=0\.5 allows"):
        audit(10, 10, 6, HALF)


@pytest.mark.parametrize("given", [{"errors": {"policy": "fail"}}, MENTIONS])
def test_with_policy_fail_which_is_that_of_mentions_one_failure_publishes_nothing(given):
    config = EnrichConfig(**given)
    audit(10, 10, 0, config)
    with pytest.raises(PublishError, match=r"1 of 10 documents failed, .* set it to 'quarantine'"):
        audit(10, 10, 1, config)
