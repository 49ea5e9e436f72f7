"""What the scripts for a GPU machine say and remember.

Must not import: anything that such a machine may lack.
"""

import time

_started = time.monotonic()
_failures: list[str] = []


def say(line: str) -> None:
    """Print a line with the time it came at."""
    print(f"[{time.monotonic() - _started:5.0f} s] {line}", flush=True)


def check(holds: bool, line: str) -> None:
    """Print whether something holds, and remember if it does not."""
    say(f"{'ok  ' if holds else 'FAIL'} {line}")
    if not holds:
        _failures.append(line)


def exit_status() -> int:
    """Say how many checks failed; return 1 if one did."""
    say(f"{len(_failures)} checks failed")
    return 1 if _failures else 0
