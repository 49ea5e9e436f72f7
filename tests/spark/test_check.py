import shutil

import pytest
from pyspark.sql import Row

from spark_entities.jobs.check import check_device, main
from spark_entities.udfs.checkpoint import find_checkpoint
from spark_entities.udfs.errors import ConfigError
from spark_entities.udfs.options import ModelOptions

# What `spark-entities check` says of ten set-ups that would load the model too often, compute on
# the wrong device, or not at all. Each is refused before Spark starts.
GPU = {"spark.executor.resource.gpu.amount": "1", "spark.task.resource.gpu.amount": "1"}
BAD = {
    "tasks-share-gpu": GPU | {"spark.task.resource.gpu.amount": "0.5"},
    "several-gpus-per-executor": GPU | {"spark.executor.resource.gpu.amount": "2"},
    "no-worker-reuse": {"spark.python.worker.reuse": "false"},
    "no-python-daemon": {"spark.python.use.daemon": "false"},
    "idle-timeout-kills": {
        "spark.sql.execution.pyspark.udf.idleTimeoutSeconds": "30",
        "spark.sql.execution.pyspark.udf.killOnIdleTimeout": "true",
    },
    "gpu-not-assigned": {"spark.executor.resource.gpu.amount": "1"},
    "gpu-without-executor": {"spark.task.resource.gpu.amount": "1"},
    "no-discovery-script": GPU | {"spark.master": "yarn"},
    "address-space-limit": GPU | {"spark.executor.pyspark.memory": "4g"},
    "not a number": {"spark.task.cpus": "all"},
}


@pytest.mark.parametrize("name", BAD)
def test_ten_bad_configurations_are_refused(name, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        "spark_entities.jobs.enrichment.set_up.make_session",
        lambda *_: pytest.fail("Spark was started"),
    )
    config = tmp_path / "bad.yaml"
    lines = [f"    {key}: '{value}'" for key, value in BAD[name].items()]
    config.write_text("spark:\n  config:\n" + "\n".join(lines))
    assert main(["--config", str(config)]) == 2
    [said] = capsys.readouterr().err.splitlines()
    assert said.startswith("error: ")
    assert name in said


def test_a_good_set_up_is_described_and_nothing_is_written(spark, tmp_path, capsys):
    arguments = ["--input.path", "conf/demo-documents.jsonl", "--input.format", "json"]
    status = main([*arguments, "--output.path", str(tmp_path / "out")])
    said = capsys.readouterr().out
    assert status == 0
    assert [*tmp_path.iterdir()] == []
    assert "model: bundled@" in said
    assert "groups PER, ORG, LOC, MISC" in said
    assert "windows: end to end on GPUs, padded on CPUs" in said
    assert "device: cpu on " in said
    assert "input: conf/demo-documents.jsonl, 1 partition\n" in said
    assert "warning: 1 partition for 2 task slots" in said
    assert said.endswith("\nNothing that was looked at stands against a run.\n")


def test_an_input_that_spark_shuffles_has_as_many_partitions_as_spark_makes(
    spark, tmp_path, capsys
):
    spark.sql("SELECT DISTINCT 'Emma' AS text FROM range(9)").createOrReplaceTempView("shuffled")
    assert main(["--input.table", "shuffled", "--output.path", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "input: shuffled, as many partitions as Spark makes of a shuffle\n" in said


def test_without_input_and_output_the_cluster_alone_is_tried(spark, capsys):
    assert main(["--model.precision", "float32"]) == 0
    said = capsys.readouterr().out
    assert "windows: padded everywhere: packs need half precision" in said
    assert "device: cpu on " in said
    assert "input: " not in said


def test_a_model_that_cannot_be_loaded_is_refused(tmp_path, capsys):
    folder = tmp_path / "model"
    shutil.copytree(find_checkpoint(ModelOptions()).folder, folder)
    next(folder.glob("*.safetensors")).unlink()
    assert main(["--model.name", str(folder)]) == 2
    assert "no model.safetensors" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("device", "memory", "message"),
    [
        (None, None, "on node-1: why not.*unusable-device"),
        ("cuda:0", 1 << 20, "takes 42 MiB, and cuda:0 on node-1 has 1 MiB.*model-exceeds-device"),
    ],
)
def test_a_device_that_cannot_hold_the_model_is_refused(device, memory, message):
    row = Row(host="node-1", device=device, detail="why not", memory_bytes=memory)
    with pytest.raises(ConfigError, match=message):
        check_device(row, find_checkpoint(ModelOptions()))


def test_executors_that_lack_the_package_are_refused(spark, capsys, monkeypatch):
    def describe() -> None:
        raise ModuleNotFoundError("No module named 'udfs'")

    monkeypatch.setattr("spark_entities.jobs.check.describe_device", describe)
    assert main([]) == 2
    assert "No module named 'udfs'" in (said := capsys.readouterr().err)
    assert "[executors-cannot-run]" in said
