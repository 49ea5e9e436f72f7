"""A Spark Connect server of the tests: that of pip's PySpark, in a process of its own."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SUBMIT = Path(sys.executable).with_name("spark-submit")
_MAIN = "org.apache.spark.sql.connect.service.SparkConnectServer"
_STARTED = re.compile(r"Spark Connect server started at: .*:(\d+)")


@contextmanager
def connect_server(folder: Path) -> Iterator[str]:
    """Run a server with a catalog of its own in a folder; gives its address."""
    properties = {
        "spark.connect.grpc.binding.port": "0",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.sql.shuffle.partitions": "2",
        "spark.ui.enabled": "false",
    }
    settings = [word for pair in properties.items() for word in ("--conf", "=".join(pair))]
    command = [_SUBMIT, "--master", "local[2]", *settings, "--class", _MAIN, "spark-internal"]
    with subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | {"PYSPARK_PYTHON": sys.executable},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        drain = threading.Thread(target=lambda: [*server.stderr])
        try:
            port = _wait_for_port(server)
            drain.start()
            yield f"sc://localhost:{port}"
        finally:
            server.terminate()
            if drain.ident is not None:
                drain.join()


def _wait_for_port(server: subprocess.Popen[str]) -> str:
    """Read what the server says until it tells its port."""
    said = []
    for line in server.stderr or ():
        if started := _STARTED.search(line):
            return started[1]
        said.append(line)
    raise RuntimeError("the server did not start:\n" + "".join(said[-30:]))
