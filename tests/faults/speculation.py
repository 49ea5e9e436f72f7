"""A task that stands still, and its twin: `python -m tests.faults.speculation` prints JSON.

Spark starts a twin on another host only, so the workers are of a standalone cluster whose hosts
differ. The first forward stands still for good: nothing but the twin can bring the job to its end.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

from tests.faults.cluster import survive, write_documents
from tests.gpu.cluster import start_session
from tests.gpu.fake_gpus import BREAK
from tests.support.standalone import standalone

SPECULATION = {
    "spark.speculation": "true",
    "spark.speculation.interval": "100ms",
    "spark.speculation.multiplier": "1.1",
    "spark.speculation.quantile": "0.5",
    "spark.speculation.minTaskRuntime": "1s",
    "spark.task.reaper.enabled": "false",
}


def main() -> None:
    """Run the job, and tell how many tasks were ended for their twins."""
    with TemporaryDirectory() as name, standalone(Path(name) / "cluster") as master:
        folder = Path(name)
        changes = SPECULATION | {"spark.ui.enabled": "true"}
        spark = start_session(master, changes | {f"spark.executorEnv.{BREAK}": f"{folder}/break"})
        write_documents(folder)
        result = survive(spark, folder, "hang")
        context = spark.sparkContext
        address = f"{context.uiWebUrl}/api/v1/applications/{context.applicationId}/stages"
        with urlopen(address, timeout=60) as answer:
            stages = json.load(answer)
        result["ended for a twin"] = sum(stage["numKilledTasks"] for stage in stages)
        spark.stop()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
