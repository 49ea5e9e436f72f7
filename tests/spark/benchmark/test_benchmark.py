import pytest

from spark_entities.jobs.benchmark.race import Scenario, compare
from spark_entities.jobs.benchmark.rivals import METER_FOLDER

pytestmark = pytest.mark.slow  # ours and its rivals, each in workers of their own


@pytest.fixture(scope="module")
def compared(spark, tmp_path_factory):
    scenario = Scenario(
        lengths="long",
        model="tiny",
        documents=4,
        repeats=1,
        cores=2,
        task_cpus=1,
        only=["ours", "pipeline, batch 8", "predict_batch_udf"],
        folder=tmp_path_factory.mktemp("benchmark"),
    )
    return compare(scenario)


def test_contenders_are_measured_in_workers_of_their_own(compared):
    assert {contender.name for contender in compared.contenders} == {
        "ours, pandas",
        "ours, arrow",
        "ours, int8",
        "pipeline, batch 8",
        "predict_batch_udf",
    }
    assert compared.model_tokens > 4 * 510
    assert compared.limit > 0
    for contender in compared.contenders:
        assert len(contender.seconds) == 1
        assert 1 <= contender.loads <= 2
        assert contender.peak_mib > 100


def test_one_that_cuts_documents_is_told_from_those_that_read_them(compared):
    cut = [contender.name for contender in compared.contenders if compared.truncates(contender)]
    assert cut == ["predict_batch_udf"]


def test_no_environment_is_left_to_later_workers(compared, spark):
    assert METER_FOLDER not in spark.sparkContext.environment
