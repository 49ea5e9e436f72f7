"""The Spark Connect server that docs/connect.md starts, in a process of its own.

It starts where nothing is activated, in a folder that has the environment of the tests as `.venv`.
"""

import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.processes import ROOT, bare_environment, link_checkout

_GUIDE = ROOT / "docs" / "connect.md"
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
    settings = " ".join(f"--conf {name}={value}" for name, value in properties.items())
    (command,) = re.findall(r"^```bash no-run\n(.*?)^```", _GUIDE.read_text("utf-8"), re.M | re.S)
    submit = f"exec env {command}".replace(" spark-submit ", f" spark-submit {settings} ")
    with subprocess.Popen(
        ["bash", "-c", submit],
        cwd=link_checkout(folder),
        env=bare_environment(),
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
