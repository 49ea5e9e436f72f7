"""The lock's own heartbeat, on a file system that fails."""

import threading

from spark_entities.jobs.output import lock
from spark_entities.jobs.output.lock import hold

GIVE_UP_SECONDS = 60


class FailingOnce:
    """One file, on a file system whose first touch fails."""

    def __init__(self):
        self.content, self.touched = None, threading.Event()
        self.failed = False

    def create(self, path, content):
        self.content = content
        return True

    def read(self, path):
        return self.content

    def delete(self, path):
        self.content = None

    def touch(self, path):
        if not self.failed:
            self.failed = True
            raise OSError("the file system is away for a moment")
        self.touched.set()


def test_a_touch_that_fails_is_followed_by_others(monkeypatch):
    monkeypatch.setattr(lock, "_TOUCH_SECONDS", 0.001)
    files = FailingOnce()
    with hold(files, "/out.lock", "run-a") as mine:
        assert files.touched.wait(GIVE_UP_SECONDS)
        mine.check()
    assert files.failed
    assert files.content is None
    assert "output-lock" not in {thread.name for thread in threading.enumerate()}
