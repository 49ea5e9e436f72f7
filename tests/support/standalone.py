"""A standalone master and its workers, of pip's PySpark: a process each, on a host each.

Hosts are addresses of the loopback interface. What is started here is ended here, by pid.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyspark

SPARK_CLASS = Path(pyspark.__file__).parent / "bin" / "spark-class"
DEPLOY = "org.apache.spark.deploy"


@contextmanager
def standalone(folder: Path, *, workers: int = 2, cores: int = 1) -> Iterator[str]:
    """Start a master and workers; gives the master's URL, and ends them all."""
    with ExitStack() as started:
        quiet = ["--host", "127.0.0.1", "--port", "0", "--webui-port", "0"]
        line = started.enter_context(process(["master.Master", *quiet], "Starting Spark master at"))
        master = re.search(r"spark://\S+", line)[0]
        for number in range(1, workers + 1):
            host = ["--host", f"127.0.0.{number}", "--webui-port", "0"]
            size = ["--cores", str(cores), "--memory", "1g"]
            work = ["--work-dir", str(folder / f"worker-{number}")]
            command = ["worker.Worker", *host, *size, *work, master]
            started.enter_context(process(command, "Successfully registered with master"))
        yield master


@contextmanager
def process(command: list[str], until: str) -> Iterator[str]:
    """Run a class of Spark's; gives the line of its log that was waited for, and ends it."""
    command = [SPARK_CLASS, f"{DEPLOY}.{command[0]}", *command[1:]]
    settings = os.environ | {"SPARK_NO_DAEMONIZE": "1", "SPARK_LOG_DIR": os.devnull}
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=settings, **streams) as running:
        reader = threading.Thread(target=lambda: [*running.stderr], daemon=True)
        try:
            seen = []
            for line in running.stderr:
                seen.append(line)
                if until in line:
                    break
            else:
                raise RuntimeError("".join(seen[-20:]))
            reader.start()  # else it would stop at a full pipe
            yield line
        finally:
            running.terminate()
            running.wait()
            if reader.ident is not None:
                reader.join()
