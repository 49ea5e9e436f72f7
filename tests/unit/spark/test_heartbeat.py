"""The heartbeat: it beats while the block works, ends with it, and what errors do to it."""

import threading

import pytest

from spark_entities.jobs.spark.heartbeat import every

GIVE_UP_SECONDS = 60


class Action:
    """Tells when it has been done for the n-th time, and may raise at some of them."""

    def __init__(self, times, **errors):
        self.times, self.errors = times, {int(name[1:]): error for name, error in errors.items()}
        self.done, self.count = threading.Event(), 0

    def __call__(self):
        self.count += 1
        if self.count == self.times:
            self.done.set()
        if self.count in self.errors:
            raise self.errors[self.count]


def beating():
    return [thread for thread in threading.enumerate() if thread.name == "beats"]


def test_the_action_is_done_again_and_again_until_the_block_ends():
    action = Action(3)
    with every(0.001, action, name="beats"):
        assert action.done.wait(GIVE_UP_SECONDS)
        assert [thread.daemon for thread in beating()] == [True]
    count = action.count
    assert beating() == []
    assert action.count == count >= 3


def test_a_block_that_is_over_at_once_waits_for_no_beat():
    action = Action(1)
    with every(GIVE_UP_SECONDS, action, name="beats"):
        pass
    assert beating() == []
    assert action.count == 0


def test_the_block_ends_after_the_action_that_is_at_work():
    entered, leave, left = threading.Event(), threading.Event(), []

    def action():
        entered.set()
        leave.wait(GIVE_UP_SECONDS)
        left.append("action")

    with every(0.001, action, name="beats"):
        entered.wait(GIVE_UP_SECONDS)
        leave.set()
    assert left
    assert beating() == []


def test_an_error_of_the_block_ends_the_thread_and_is_raised():
    def work():
        with every(0.001, Action(1), name="beats"):
            raise ValueError("the run failed")

    with pytest.raises(ValueError, match="the run failed"):
        work()
    assert beating() == []


def test_an_error_of_the_action_ends_it_and_is_told_but_the_block_goes_on(monkeypatch):
    told, errors = threading.Event(), []

    def hook(args):
        errors.append((args.exc_type, args.thread.name))
        told.set()

    monkeypatch.setattr(threading, "excepthook", hook)
    action = Action(2, _2=KeyError("x"))
    with every(0.001, action, name="beats", ended_by=(OSError,)):
        assert told.wait(GIVE_UP_SECONDS)
    assert errors == [(KeyError, "beats")]
    assert action.count == 2


def test_an_error_that_the_action_may_end_by_ends_it_in_silence(monkeypatch):
    told = []
    monkeypatch.setattr(threading, "excepthook", told.append)
    action = Action(2, _2=ConnectionError("Spark has ended"))
    with every(0.001, action, name="beats", ended_by=(KeyError, OSError)):
        for thread in beating():  # none, if it has ended already
            thread.join(GIVE_UP_SECONDS)
        assert beating() == []
    assert told == []
    assert action.count == 2
