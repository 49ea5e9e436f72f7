"""What a program is at, told on standard error: one live line on a terminal, elsewhere plain lines.

Enters: phases as they begin, and what Spark says of its work. Leaves: words; of the live line, at
the end, nothing. Must not import: Spark, torch, transformers. It speaks before these are loaded.

There is one line in a process, as there is one standard error. Where no program has begun it, as in
a notebook, nobody is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

_LEAST_SECONDS = 1.0  # by which a speed is reckoned


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What Spark says of its work at one moment."""

    seconds: float  # of a clock
    tasks: int
    done: int
    documents: int = 0  # that have left the model

    def share(self, total: int | None) -> float:
        """Return how much of the work is done, 0 to 1: by documents, else by tasks."""
        return self.documents / total if total else self.done / max(1, self.tasks)


class Phase:
    """A part of what a program does, in words that follow its work."""

    def __init__(self, words: str, then: str | None = None, total: int | None = None) -> None:
        """Begin a phase.

        Args:
            words: what is done.
            then: what is done once documents leave the model, which is loaded until then.
            total: how many documents there are, where that is known.

        """
        self.words = words
        self._then = then
        self._total = total
        self._first: Status | None = None  # with documents: the load before it is no part of speed
        self._latest: Status | None = None  # that told of more than the one before

    def follow(self, now: Status) -> str:
        """Put into words what is done, and how much of it.

        >>> phase = Phase("Loading bundled", then="Classifying", total=300_000)
        >>> phase.follow(Status(seconds=30, tasks=1, done=0))
        'Loading bundled …'
        >>> phase.follow(Status(seconds=40, tasks=1, done=0, documents=400))
        'Classifying 400 of 300,000 documents'
        >>> phase.follow(Status(seconds=100, tasks=1, done=0, documents=12_400))
        'Classifying 12,400 of 300,000 documents · 200 documents/s · 0:23:58 left'
        """
        tasks = f"{now.done:,} of {now.tasks:,} task{'s' * (now.tasks > 1)}"
        if self._then is None or not now.documents:
            return f"{self.words} · {tasks}" if now.tasks > 1 else f"{self.words} …"
        self.words = self._then
        total = self._total if now.documents <= (self._total or 0) else None  # tasks run again
        of_total = f" of {total:,}" if total else ""
        told = [f"{self.words} {now.documents:,}{of_total} documents", *self._pace(now, total)]
        return " · ".join(told if total else [*told[:2], tasks, *told[2:]])

    def _pace(self, now: Status, total: int | None) -> Iterator[str]:
        """Tell the speed since documents began to leave the model, and the time that is left."""
        first = self._first = self._first or now
        latest = self._latest or now
        if (latest.documents, latest.done) != (now.documents, now.done):
            latest = now
        self._latest = latest
        seconds = latest.seconds - first.seconds
        if seconds < _LEAST_SECONDS:
            return
        yield f"{(latest.documents - first.documents) / seconds:,.0f} documents/s"
        moved = latest.share(total) - first.share(total)
        if moved > 0:
            left = (1 - latest.share(total)) * seconds / moved - (now.seconds - latest.seconds)
            yield f"{timedelta(seconds=round(max(0.0, left)))} left"


class _Line:
    """The line, and where it is none, what was told already."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.is_live = console.is_terminal and not console.is_dumb_terminal
        self._phase = Phase("")
        self._told: set[str] = set()
        self._words = Spinner("dots")
        # Standard output is not ours to redirect, which Live would do to this console.
        self._live = Live(self._words, console=console, transient=True, redirect_stdout=False)

    def begin(self, phase: Phase) -> None:
        self._phase = phase
        self._tell(f"{phase.words} …")
        if self.is_live:
            self._live.start(refresh=True)

    def follow(self, status: Status) -> None:
        phase = self._phase
        words = phase.follow(status)
        self._tell(words if self.is_live else f"{phase.words} …")

    def _tell(self, words: str) -> None:
        if self.is_live:
            self._words.update(text=Text(words))
        elif words not in self._told:
            self._told.add(words)
            self._console.print(words, markup=False, highlight=False, soft_wrap=True)

    def end(self) -> None:
        self._live.stop()


_line: _Line | None = None


def begin_phases(console: Console | None = None) -> None:
    """Have the phases of this program told, on standard error; nothing if they are already."""
    global _line
    _line = _line or _Line(console or Console(stderr=True))


def end_phases() -> None:
    """Take the line away, and tell no more."""
    global _line
    if _line is not None:
        _line.end()
    _line = None


def are_told() -> bool:
    """Whether someone is told of phases."""
    return _line is not None


def is_live() -> bool:
    """Whether they are told by a live line, into which nobody else should print."""
    return _line is not None and _line.is_live


def phase(words: str, *, then: str | None = None, total: int | None = None) -> None:
    """Tell that a phase begins; see `Phase`."""
    if _line is not None:
        _line.begin(Phase(words, then, total))


def follow(status: Status) -> None:
    """Tell how far the phase is."""
    if _line is not None:
        _line.follow(status)
