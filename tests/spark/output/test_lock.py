import itertools
import json
import subprocess
import sys
import threading
import time

import pytest

from spark_entities.jobs.enrich import main
from spark_entities.jobs.output import filesystem, lock
from spark_entities.jobs.output.filesystem import FileSystem
from spark_entities.jobs.output.lock import hold
from spark_entities.udfs.errors import ConfigError, PublishError


@pytest.fixture
def files(spark, tmp_path, monkeypatch):
    """A file system, with locks that are touched and watched within a second."""
    monkeypatch.setattr(lock, "_TOUCH_SECONDS", 0.05)
    monkeypatch.setattr(lock, "_WATCH_SECONDS", 0.5)
    monkeypatch.setattr(lock, "_LOOK_SECONDS", 0.05)
    return FileSystem(spark, str(tmp_path))


def ended_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_of_two_runs_on_one_output_the_second_is_refused(files, tmp_path):
    path = f"file:{tmp_path}/.out.lock"
    with hold(files, path, "run-a"):
        with pytest.raises(ConfigError, match=r"another run .*run-a.*Wait for it"):
            hold(files, path, "run-b").__enter__()
        assert json.loads(files.read(path))["run"] == "run-a"
    assert not files.exists(path)
    with hold(files, path, "run-c"):
        assert json.loads(files.read(path))["run"] == "run-c"


@pytest.mark.fault("a lock of the dead", "written by a process that has ended, or by a silent host")
@pytest.mark.parametrize(
    "left",
    [
        json.dumps({"run": "run-a", "pid": ended_pid()} | lock._processes()),
        json.dumps({"run": "run-a", "host": "another.host", "pid": 1}),
        "",
    ],
    ids=["its process is gone", "another host is silent", "it was never written"],
)
def test_the_lock_of_the_dead_is_taken_over(files, tmp_path, left):
    path = f"file:{tmp_path}/.out.lock"
    files.create(path, left)
    with hold(files, path, "run-b"):
        assert json.loads(files.read(path))["run"] == "run-b"


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"host": "another.host"},
        {"namespace": "pid:[1]"},  # another container of this host, whose processes are not seen
        {"boot": "another"},
    ],
)
def test_the_lock_of_a_process_elsewhere_that_lives_is_respected(files, tmp_path, elsewhere):
    path = f"file:{tmp_path}/.out.lock"
    holder = {"run": "run-a", "pid": ended_pid()} | lock._processes() | elsewhere
    files.create(path, json.dumps(holder))
    done = threading.Event()

    def live() -> None:
        while not done.wait(0.05):
            files.touch(path)

    other = threading.Thread(target=live)
    other.start()
    try:
        with pytest.raises(ConfigError, match="another run is writing"):
            hold(files, path, "run-b").__enter__()
    finally:
        done.set()
        other.join()


@pytest.mark.fault("a clock that jumps", "by a day, back and forth, at each touch of the lock")
def test_the_lock_of_one_whose_clock_jumps_is_respected(files, tmp_path, monkeypatch):
    path = f"file:{tmp_path}/.out.lock"
    now, days = time.time(), itertools.cycle([0, -1, 1, -2])
    monkeypatch.setattr(filesystem.time, "time", lambda: now + 86400 * next(days))
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(lock, "_processes", lambda: {"host": "another.host"})
        held = hold(files, path, "run-a")
        mine = held.__enter__()
    with pytest.raises(ConfigError, match="another run is writing"):
        lock.check_free(files, path)
    mine.check()
    held.__exit__(None, None, None)


@pytest.mark.fault("a lock that is taken away", "deleted while its holder runs")
def test_who_lost_the_lock_does_not_publish_and_leaves_it_to_the_other(files, tmp_path):
    path = f"file:{tmp_path}/.out.lock"
    with hold(files, path, "run-a") as mine:
        mine.check()
        files.delete(path)
        with pytest.raises(PublishError, match="taken by another run"):
            mine.check()
        files.create(path, "another's")
    assert files.read(path) == "another's"


@pytest.mark.fault("a lock that is taken over", "by a run that clears away what the first wrote")
@pytest.mark.parametrize("ended", [False, True])
def test_who_fails_after_its_lock_was_taken_over_says_by_whom(files, tmp_path, ended):
    path = f"file:{tmp_path}/.out.lock"

    def lose_it_and_fail() -> None:
        files.delete(path)
        if not ended:
            files.create(path, '{"run": "run-b"}')
        raise FileNotFoundError("staging is gone")

    by_whom = "another run, which has ended" if ended else r"another run \(.*run-b"
    with pytest.raises(PublishError, match=by_whom), hold(files, path, "run-a"):
        lose_it_and_fail()


def test_the_job_respects_it(files, tmp_path, capsys):
    with hold(files, f"file:{tmp_path}/.out.lock", "run-a"):
        arguments = ["--input.path", "conf/demo-documents.jsonl", "--input.format", "json"]
        assert main([*arguments, "--output.path", str(tmp_path / "out")]) == 2
    assert "refused: another run is writing to the same output" in capsys.readouterr().err


@pytest.mark.fault("eight drivers that lock at once", "threads at a barrier")
def test_one_of_many_that_create_a_file_at_once_succeeds(files, tmp_path):
    path = f"file:{tmp_path}/deep/file"
    won = []
    start = threading.Barrier(8)

    def create(name: str) -> None:
        start.wait()
        if files.create(path, name):
            won.append(name)

    threads = [threading.Thread(target=create, args=(str(each),)) for each in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [files.read(path)] == won
