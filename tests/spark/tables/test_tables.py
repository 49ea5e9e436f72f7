import pytest
from pyspark.sql import functions as F

from spark_entities.jobs.config import InputSection
from spark_entities.jobs.spark.workers import task_slots
from spark_entities.jobs.tables.spreading import spread


@pytest.fixture
def one_partition(spark, tmp_path):
    """A Parquet file of 4,000 documents, about 700 kB, of which every second is a copy."""
    text = F.concat_ws(" ", *(F.hash(F.col("id") - F.col("id") % 2, F.lit(i)) for i in range(16)))
    table = spark.range(4000).select("id", text.alias("text"))
    table.coalesce(1).write.parquet(str(tmp_path / "in"))
    df = spark.read.parquet(str(tmp_path / "in"))
    assert df.rdd.getNumPartitions() == 1
    return df


def test_a_table_of_one_partition_is_spread_over_all_slots(spark, one_partition):
    assert task_slots(spark) == 2
    result = spread(one_partition, InputSection())
    assert 2 <= result.rdd.getNumPartitions() <= 6
    rows = result.select("id", "text", F.spark_partition_id().alias("partition")).collect()
    assert sorted(row["id"] for row in rows) == list(range(4000))
    assert len({row["partition"] for row in rows}) >= 2
    assert len({(row["text"], row["partition"]) for row in rows}) == 2000


def test_a_spread_is_the_same_every_time(one_partition):
    placed = [
        spread(one_partition, InputSection(min_partitions=5))
        .select("id", F.spark_partition_id().alias("partition"))
        .orderBy("id")
        .collect()
        for _ in range(2)
    ]
    assert placed[0] == placed[1]
    assert {row["partition"] for row in placed[0]} == set(range(5))


def test_a_small_table_is_left_as_it_is(spark, tmp_path):
    spark.range(50).selectExpr("string(id) AS text").coalesce(1).write.parquet(str(tmp_path / "in"))
    df = spark.read.parquet(str(tmp_path / "in"))
    assert spread(df, InputSection()) is df


def test_a_table_of_enough_partitions_is_left_as_it_is(one_partition):
    df = one_partition.repartition(2)
    assert spread(df, InputSection()) is df
    assert spread(df, InputSection(min_partitions=1)) is df


def test_a_plan_with_a_shuffle_is_not_run_to_count_its_partitions(spark, one_partition):
    spark.sparkContext.setJobGroup("counting", "must stay empty")
    try:
        df = one_partition.groupBy("text").count()
        assert spread(df, InputSection()) is df
        assert list(spark.sparkContext.statusTracker().getJobIdsForGroup("counting")) == []
    finally:
        spark.sparkContext.setLocalProperty("spark.jobGroup.id", None)
