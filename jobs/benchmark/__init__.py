"""Measurements: ours beside its rivals, beside the machine's limit, and against its own growth.

    python -m spark_entities.jobs.benchmark --help

Every figure is a ratio within one run: runs are interleaved, and medians are shown.
"""
