"""What a run is reckoned to take, in numbers small enough to be reckoned by hand."""

from dataclasses import replace

import pytest

from spark_entities.jobs.enrichment.estimate import Cluster, Estimate, Measured, Table

TABLE = Table(
    documents=4000, texts=8000, chars=800_000, distinct=8000, partitions=8, is_spread=False
)
SAMPLE = Measured(
    documents=40,
    chars=8000,
    num_tokens=2000,
    num_model_tokens=2200,
    seconds=3.0,
    forward_seconds=8.0,
)
CLUSTER = Cluster(
    executors=2, slots=4, cores_per_slot=2, has_gpus=False, buffer_chars=10_100, start_seconds=20
)
ESTIMATE = Estimate(table=TABLE, sample=SAMPLE, cluster=CLUSTER)


def test_a_table_takes_what_its_share_of_the_sample_took():
    assert ESTIMATE.num_tokens == 200_000
    assert ESTIMATE.num_model_tokens == pytest.approx(220_000)
    assert ESTIMATE.slot_seconds == pytest.approx(1200)
    assert ESTIMATE.seconds == pytest.approx(20 + 300)


def test_what_the_model_need_not_do_again_costs_its_row_alone():
    """Of the sample's 12 seconds on four slots, the model has 8; of equal texts it takes a part."""
    copied = replace(ESTIMATE, table=replace(TABLE, distinct=1000, is_spread=True))
    share = copied.table.model_share(CLUSTER.buffer_chars)
    assert copied.slot_seconds == pytest.approx(100 * (8 * share + 4))
    assert copied.num_model_tokens == pytest.approx(220_000 * share)
    busy = replace(ESTIMATE, sample=replace(SAMPLE, forward_seconds=14.0))  # more than there is
    assert busy.slot_seconds == pytest.approx(1400)


def test_hours_and_cost_are_of_all_that_is_held():
    assert ESTIMATE.unit_hours == pytest.approx(320 / 3600 * 8)  # cores
    with_gpus = replace(ESTIMATE, cluster=replace(CLUSTER, has_gpus=True))
    assert with_gpus.unit_hours == pytest.approx(320 / 3600 * 4)
    assert ESTIMATE.cost(4.5) == pytest.approx(2 * 320 / 3600 * 4.5)


@pytest.mark.parametrize(
    ("partitions", "longer"), [(None, 1.0), (1, 4.0), (3, 4 / 3), (4, 1.0), (9, 12 / 9)]
)
def test_slots_that_wait_for_the_last_partitions_take_their_time(partitions, longer):
    table = replace(TABLE, partitions=partitions)
    assert replace(ESTIMATE, table=table).seconds == pytest.approx(20 + 300 * longer)


def test_texts_that_are_equal_go_to_the_model_once_a_buffer():
    """Eight copies of each text: of 100 in a buffer some are equal; where they meet, most are."""
    copied = replace(TABLE, distinct=1000)
    assert TABLE.model_share(10_100) == pytest.approx(1.0)
    assert copied.model_share(10_100) == pytest.approx(10 * (1 - (1 - 100 / 8000) ** 8))
    spread = replace(copied, is_spread=True)
    assert spread.model_share(10_100) == pytest.approx(1.25 * (1 - (1 - 100 / 1000) ** 8))
    assert spread.model_share(10**9) == pytest.approx(1 / 8)


def test_executors_follow_from_the_hours_that_there_are():
    assert ESTIMATE.executors_for(320 / 3600) == 2
    assert ESTIMATE.executors_for(319 / 3600) == 3
    assert ESTIMATE.executors_for(80 / 3600) == 10
    assert ESTIMATE.executors_for(20 / 3600) is None  # no more than the start


def test_partitions_are_three_a_slot_five_minutes_each_and_two_buffers_at_least():
    assert ESTIMATE.partitions_for(2) == 12
    assert ESTIMATE.partitions_for(4) == 24
    large = replace(ESTIMATE, sample=replace(SAMPLE, seconds=60.0))
    assert large.partitions_for(2) == 39  # 80 of five minutes would be less than two buffers each
    small = replace(ESTIMATE, table=replace(TABLE, chars=40_400))
    assert small.partitions_for(2) == 2


def test_measurements_add_up():
    assert Measured() + SAMPLE == SAMPLE
    assert (
        Measured(
            documents=80,
            chars=16_000,
            num_tokens=4000,
            num_model_tokens=4400,
            seconds=6.0,
            forward_seconds=16.0,
        )
        == SAMPLE + SAMPLE
    )
