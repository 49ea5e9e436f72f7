"""A model of the Hub is fetched once for all processes of a host."""

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from spark_entities.udfs.checkpoint import BUNDLED_FOLDER

COMMIT = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = "model.safetensors"
FIND = """
import sys
from spark_entities.udfs.checkpoint import find_checkpoint
from spark_entities.udfs.options import ModelOptions
print(find_checkpoint(ModelOptions(name="some/model", revision=sys.argv[1])).identify())
"""


class Hub(BaseHTTPRequestHandler):
    """Serves one model, and counts what is asked for."""

    def do_HEAD(self):
        self.answer(send=False)

    def do_GET(self):
        self.answer(send=True)

    def answer(self, *, send: bool) -> None:
        path = self.path.partition("?")[0]
        name = path.rsplit("/", 1)[1]
        self.server.count(self.command, name)
        if "/tree/" in path:
            content = json.dumps([describe(path) for path in BUNDLED_FOLDER.glob("*.[js]*")])
        elif "/api/" in path:
            content = json.dumps({"id": "some/model", "sha": COMMIT, "siblings": []})
        else:
            content = (BUNDLED_FOLDER / name).read_bytes()
        content = content if isinstance(content, bytes) else content.encode()
        if send and name == WEIGHTS:  # the first to ask gets it when the other wants it too
            assert self.server.both_want_it.wait(60)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{name}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if send:
            self.wfile.write(content)

    def log_message(self, *_):
        pass


def describe(path):
    return {"type": "file", "path": path.name, "size": path.stat().st_size, "oid": path.name}


class Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Hub)
        self.asked: Counter[tuple[str, str]] = Counter()
        self.both_want_it = threading.Event()

    def count(self, method: str, name: str) -> None:
        self.asked[method, name] += 1
        if self.asked["HEAD", WEIGHTS] == 2:
            self.both_want_it.set()


@contextmanager
def serve():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_processes_of_a_host_fetch_the_weights_once(tmp_path):
    with serve() as server:
        settings = {
            "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
            "HF_HOME": str(tmp_path),
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
        }
        started = [
            subprocess.Popen(
                [sys.executable, "-c", FIND, COMMIT],
                env=os.environ | settings,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        told = [process.communicate() for process in started]
    assert [process.returncode for process in started] == [0, 0], told
    assert {out.strip() for out, _ in told} == {f"some/model@{COMMIT}"}
    assert server.asked["HEAD", WEIGHTS] == 2
    assert server.asked["GET", WEIGHTS] == 1
