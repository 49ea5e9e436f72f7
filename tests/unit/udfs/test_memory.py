from types import SimpleNamespace

import pytest

from spark_entities.udfs import memory


@pytest.mark.parametrize(
    ("platform", "trims"), [("linux", ["at 100.0", "at 100.6"]), ("darwin", [])]
)
def test_memory_is_given_back_now_and_then(monkeypatch, platform, trims):
    given = []
    clock = [0.0]
    heap = SimpleNamespace(malloc_trim=lambda _: given.append(f"at {clock[0]}"))
    monkeypatch.setattr(memory, "_last", 0.0)
    monkeypatch.setattr(memory.sys, "platform", platform)
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: heap)
    monkeypatch.setattr(memory.time, "monotonic", lambda: clock[0])
    for clock[0] in (100.0, 100.2, 100.4, 100.6):
        memory.return_memory()
    assert given == trims


def test_other_allocators_are_left_alone(monkeypatch):
    monkeypatch.setattr(memory, "_last", 0.0)
    asked = []
    heap = SimpleNamespace()
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: asked.append(name) or heap)
    memory.return_memory()
    assert asked == [None]  # it looked for glibc's function, and went on without
