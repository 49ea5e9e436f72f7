import pytest

from spark_entities.jobs.config import ErrorsSection
from spark_entities.jobs.enrichment.audit import audit
from spark_entities.udfs.errors import PublishError

HALF = ErrorsSection(max_failed_fraction=0.5)


@pytest.mark.parametrize("num_written", [9, 11])
def test_rows_lost_or_doubled_publish_nothing(num_written):
    audit(10, 10, 0, HALF)
    with pytest.raises(PublishError, match=f"10 documents were read and {num_written} written"):
        audit(10, num_written, 0, HALF)


def test_too_many_failures_publish_nothing():
    audit(10, 10, 5, HALF)
    with pytest.raises(PublishError, match=r"6 of 10 documents failed, more than .*=0\.5 allows"):
        audit(10, 10, 6, HALF)


def test_with_policy_fail_one_failure_publishes_nothing():
    audit(10, 10, 0, ErrorsSection(policy="fail"))
    with pytest.raises(PublishError, match=r"1 of 10 documents failed, more than .*=0\.0 allows"):
        audit(10, 10, 1, ErrorsSection(policy="fail"))
