"""One scenario on a cluster of real executors: `python -m tests.gpu.cluster SCENARIO` prints JSON.

`local-cluster` starts a standalone master, its workers and their executors, which are processes of
their own. The settings are the shipped ones of conf/spark-gpu.conf, less what is larger than this
machine. A process a scenario, since there is one SparkContext in a process.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyspark
from pyspark import InheritableThread
from pyspark.resource import ResourceProfileBuilder, TaskResourceRequests
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_entities.jobs.check import find_devices
from spark_entities.jobs.config import SparkSection
from spark_entities.jobs.spark.session import make_session
from spark_entities.jobs.spark.workers import keep_workers
from spark_entities.udfs.entities_udf import make_entities_udf
from tests.gpu import fake_gpus

ROOT = Path(__file__).parents[2]
WORK = Path(pyspark.__file__).parent / "work"  # where a local cluster keeps its executors' logs
IDLE_SECONDS = 80  # Spark looks every 10 s for workers that were idle for 60

# Gives each worker of the cluster other GPUs: the first that asks 4 and 5, the second 6 and 7.
DISCOVER = """#!/bin/sh
if mkdir {folder}/asked 2>/dev/null; then gpus='"4", "5"'; else gpus='"6", "7"'; fi
echo "{{\\"name\\": \\"gpu\\", \\"addresses\\": [$gpus]}}"
"""


def start(executors: int, folder: Path, **changes: str | None) -> SparkSession:
    """Start a cluster of executors with two cores each."""
    script = folder / "discover.sh"
    script.write_text(DISCOVER.format(folder=folder))
    script.chmod(0o755)
    settings: dict[str, str | None] = {
        **shipped_settings(),
        "spark.worker.resource.gpu.amount": "2",
        "spark.worker.resource.gpu.discoveryScript": str(script),
        "spark.executor.cores": "2",
        "spark.task.cpus": "2",
        "spark.executor.memoryOverhead": None,
        "spark.executor.memory": None,
        f"spark.executorEnv.{fake_gpus.BREAK}": str(folder / "break"),
    }
    return start_session(f"local-cluster[{executors},2,1024]", settings | changes)


def shipped_settings() -> dict[str, str]:
    """Read conf/spark-gpu.conf, less what YARN and Kubernetes alone need."""
    lines = (ROOT / "conf" / "spark-gpu.conf").read_text("utf-8").splitlines()
    settings = dict(line.split() for line in lines if line and not line.startswith("#"))
    del settings["spark.executor.resource.gpu.discoveryScript"], settings["spark.files"]
    return settings


def start_session(master: str, settings: Mapping[str, str | None]) -> SparkSession:
    """Start a session whose executors take the CPU for any GPU."""
    config = {
        # Two clusters that start in one second would have one name, and one folder of logs.
        "spark.deploy.appIdPattern": f"app-%s-%04d-{os.getpid()}",
        "spark.executor.memory": "1g",
        "spark.executor.extraJavaOptions": os.environ.get("SPARK_SUBMIT_OPTS", ""),
        "spark.executorEnv.PYTHONPATH": str(ROOT),
        "spark.python.daemon.module": "tests.gpu.fake_gpus",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
    } | {key: value for key, value in settings.items() if value is not None}
    return make_session(SparkSection(master=master, config=config), "spark-entities GPU tests")


def documents(spark: SparkSession, partitions: int) -> DataFrame:
    """Two short documents a partition."""
    text = F.concat(F.lit("Emma woont in Londen "), F.col("id").cast("string"))
    return spark.range(0, 2 * partitions, 1, partitions).select(text.alias("text"))


def classify(texts: DataFrame) -> dict[str, Any]:
    """Run the UDF; return its rows, errors, and by device the model loads."""
    result = texts.withColumn("r", make_entities_udf()("text")).select("r.*")
    loads = F.sum("metrics.num_model_loads")
    rows = result.groupBy("metrics.device").agg(
        loads.alias("loads"), F.count("entities").alias("rows")
    )
    found = rows.collect()
    return {
        "rows": sum(row["rows"] for row in found),
        "loads": {row["device"]: row["loads"] for row in found if row["device"]},
    }


def one_gpu_each(folder: Path) -> dict[str, Any]:
    """Two executors, a GPU each, and 64 partitions; then again; then after a long pause."""
    spark = start(2, folder)
    first, second = classify(documents(spark, 64)), classify(documents(spark, 8))
    with keep_workers(spark):
        threading.Event().wait(IDLE_SECONDS)
        rested = classify(documents(spark, 4))
    devices = [row.asDict() for row in find_devices(spark)]
    return {"first": first, "second": second, "rested": rested, "devices": devices}


def several_gpus_each(folder: Path) -> dict[str, Any]:
    """One executor with two GPUs, whose worker gets the one, the other, and both again."""
    spark = start(1, folder, **{"spark.executor.resource.gpu.amount": "2", "spark.task.cpus": "1"})
    texts = documents(spark, 1)
    result = {"first": classify(texts)}
    with gpu_taken(spark):
        result["other"] = classify(texts)
    result["first again"] = classify(texts)
    with gpu_taken(spark):
        result["other again"] = classify(texts)
    return result


@contextmanager
def gpu_taken(spark: SparkSession) -> Iterator[None]:
    """Have a task without any Python hold the first GPU that is free."""
    context = spark.sparkContext

    def hold() -> None:
        context.setJobGroup("hold", "holds a GPU", interruptOnCancel=True)
        query = "SELECT java_method('java.lang.Thread', 'sleep', 600000L) FROM range(0, 1, 1, 1)"
        with suppress(Exception):  # it is cancelled
            spark.sql(query).collect()

    def holds() -> bool:
        tracker = context.statusTracker()
        stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
        return any(stage is not None and stage.numActiveTasks for stage in stages)

    holder = InheritableThread(target=hold)
    holder.start()
    while not holds():
        holder.join(timeout=0.1)
    yield
    context.cancelJobGroup("hold")
    holder.join()


def by_profile(folder: Path) -> dict[str, Any]:
    """Tasks that get a GPU where a resource profile says so, and none elsewhere."""
    spark = start(2, folder, **{"spark.task.resource.gpu.amount": None})
    gpu = TaskResourceRequests().cpus(2).resource("gpu", 1)
    profile = ResourceProfileBuilder().require(gpu).build
    texts = documents(spark, 16)
    on_gpu = texts.mapInArrow(lambda batches: batches, texts.schema, profile=profile)
    return {"with": classify(on_gpu), "again": classify(on_gpu)}


def failing_gpu(folder: Path) -> dict[str, Any]:
    """A GPU that fails in the midst of a job."""
    spark = start(1, folder)
    texts = documents(spark, 4)
    before = classify(texts)
    (folder / "break").write_text("GPU failure")
    return {"before": before, "after": classify(texts)}


SCENARIOS: dict[str, Callable[[Path], dict[str, Any]]] = {
    scenario.__name__: scenario
    for scenario in (one_gpu_each, several_gpus_each, by_profile, failing_gpu)
}


def clean_up(spark: SparkSession) -> list[str]:
    """Stop a cluster and remove its executors' logs, whose lines are returned."""
    logs = WORK / str(spark.sparkContext.applicationId)
    spark.stop()
    lines = [line for log in logs.glob("*/stderr") for line in log.read_text("utf-8").splitlines()]
    shutil.rmtree(logs)
    return lines


def main() -> None:
    """Run the scenario and print what came of it, with what the executors logged."""
    with TemporaryDirectory() as folder:
        result = SCENARIOS[sys.argv[1]](Path(folder))
    lines = clean_up(SparkSession.active())
    ours = ("Computing on", "Loaded", "spark_entities.udfs.errors.DeviceError")
    result["log"] = [line for line in lines if line.startswith(ours)]
    print(json.dumps(result))


if __name__ == "__main__":
    main()
