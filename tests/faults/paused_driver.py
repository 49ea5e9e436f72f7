"""A job that stands still before its audit until a line comes in: `python -m … FLAG …`."""

from __future__ import annotations

import sys
from typing import Any

from spark_entities.jobs import enrich
from spark_entities.jobs.output import publish


def main() -> int:
    """Run the job, with a pause."""
    check_schema = publish.check_schema

    def pause(*arguments: Any) -> None:
        print("paused", flush=True)
        sys.stdin.readline()
        check_schema(*arguments)

    publish.check_schema = pause
    return enrich.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
