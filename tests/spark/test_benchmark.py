import pytest

from jobs.benchmark.rivals import METER_FOLDER
from jobs.benchmark.spark import Scenario, compare, is_truncated


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
    contenders, tokens, limit = compare(scenario)
    return {c.name: c for c in contenders}, tokens, limit


def test_contenders_are_measured_in_workers_of_their_own(compared):
    contenders, tokens, limit = compared
    assert contenders.keys() == {
        "ours, pandas",
        "ours, arrow",
        "ours, int8",
        "pipeline, batch 8",
        "predict_batch_udf",
    }
    assert tokens > 4 * 510
    assert limit > 0
    for contender in contenders.values():
        assert len(contender.seconds) == 1
        assert 1 <= contender.loads <= 2
        assert contender.peak_mib > 100


def test_one_that_cuts_documents_is_told_from_those_that_read_them(compared):
    contenders, tokens, _ = compared
    cut = {name for name, contender in contenders.items() if is_truncated(contender, tokens)}
    assert cut == {"predict_batch_udf"}


def test_no_environment_is_left_to_later_workers(compared, spark):
    assert METER_FOLDER not in spark.sparkContext.environment
