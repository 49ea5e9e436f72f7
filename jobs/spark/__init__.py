"""Spark: its session, workers, settings and errors."""
