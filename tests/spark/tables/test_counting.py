"""How many documents there are, where footers of files tell."""

import shutil

from spark_entities.jobs.tables.counting import count_documents


def test_files_tell_how_many_rows_they_have(spark, tmp_path):
    folder = tmp_path / "a b%20c" / "day=1"
    spark.range(0, 30, 1, 2).selectExpr("id", "string(id) AS text").write.parquet(str(folder))
    documents = spark.read.parquet(str(folder.parent))
    assert count_documents(documents) == 30
    assert count_documents(documents.select("text")) == 30
    for other in (
        documents.where("id > 3"),
        documents.where("day = 2"),
        documents.limit(3),
        documents.union(documents),
        documents.join(documents.select("id").limit(1), "id", "left_anti"),
        spark.read.text(str(folder)),
        spark.range(3),
    ):
        assert count_documents(other) is None
    shutil.rmtree(folder)
    assert count_documents(documents) is None
