"""Do something every few seconds, in a thread of its own, while a block works.

Enters: an action. Leaves: nothing, at the end of the block not even the thread.
Must not import: Spark, torch, transformers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def every(
    seconds: float,
    action: Callable[[], None],
    *,
    name: str,
    ended_by: tuple[type[Exception], ...] = (),
) -> Iterator[None]:
    """Do something every few seconds, the first time after as many, until the block ends.

    An error of the action ends the thread, and the block goes on. `threading.excepthook` tells of
    it, which prints a traceback, unless it is one that the action may end by.

    Args:
        seconds: from the end of one action to the next.
        action: it may be at work when the block ends, which then waits for it.
        name: the thread's.
        ended_by: errors of the action of which nothing is told.

    """

    def beat() -> None:
        with suppress(*ended_by):
            while not ended.wait(seconds):
                action()

    ended = threading.Event()
    thread = threading.Thread(target=beat, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
