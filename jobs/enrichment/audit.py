"""Whether a result may be shown: it is whole, and not too much of it failed.

Must not import: Spark, torch, transformers.
"""

from __future__ import annotations

from spark_entities.jobs.config import EnrichConfig
from spark_entities.udfs.errors import PublishError


def audit(num_read: int, num_written: int, num_failed: int, config: EnrichConfig) -> None:
    """Refuse a result that lost or doubled rows, or in which too many documents failed.

    Raises:
        PublishError: naming the counts.

    """
    if num_read != num_written:
        raise PublishError(
            f"{num_read} documents were read and {num_written} written; they were not published."
        )
    if num_failed and config.policy == "fail":
        raise PublishError(
            f"{num_failed} of {num_written} documents failed, and errors.policy is 'fail': nothing "
            f"was published. See the executors' logs for the reason, or set it to 'quarantine', "
            f"which publishes the others and writes these apart."
        )
    if num_failed > config.errors.max_failed_fraction * num_written:
        raise PublishError(
            f"{num_failed} of {num_written} documents failed, more than "
            f"errors.max_failed_fraction={config.errors.max_failed_fraction} allows; they were not "
            f"published. See the executors' logs for the reason, or raise the limit."
        )
