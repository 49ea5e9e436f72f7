import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest

from spark_entities.udfs import digests
from spark_entities.udfs.digests import digest_files


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"weights" * 1000)
    return path


@pytest.fixture
def reads(monkeypatch):
    """The files that were read to their end."""
    read = []
    second = Event()
    file_digest = hashlib.file_digest

    def counted(file, name):
        read.append(file.name)
        if len(read) > 1:
            second.set()
        second.wait(0.3)  # for one who would read at the same time
        return file_digest(file, name)

    monkeypatch.setattr(hashlib, "file_digest", counted)
    monkeypatch.setattr(digests, "_read", digests._read.__wrapped__)  # as in a process of its own
    return read


def test_of_workers_that_ask_at_once_one_reads_the_file(tmp_path, weights, reads):
    together = Barrier(8)

    def ask(_: int) -> str:
        together.wait()
        return digest_files([weights], tmp_path)

    with ThreadPoolExecutor(8) as workers:
        found = {*workers.map(ask, range(8))}
    assert found == {hashlib.sha256(weights.read_bytes()).hexdigest()}
    assert reads == [str(weights)]


@pytest.mark.parametrize("change", ["content", "another file of the same size and time"])
def test_a_file_that_changed_is_read_again(tmp_path, weights, reads, change):
    before = digest_files([weights], tmp_path)
    stat = weights.stat()
    other = tmp_path / "other"
    other.write_bytes(b"WEIGHTS" * 1000)
    if change == "content":
        weights.write_bytes(other.read_bytes())
        os.utime(weights, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    else:
        os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        other.replace(weights)
    assert digest_files([weights], tmp_path) != before
    assert len(reads) == 2


def test_what_was_left_half_noted_is_read_again(tmp_path, weights, reads):
    expected = digest_files([weights], tmp_path)
    [note] = (path for path in tmp_path.glob("spark-entities-*") if not path.suffix)
    note.rename(note.with_suffix(".part"))
    assert digest_files([weights], tmp_path) == expected
    assert len(reads) == 2
