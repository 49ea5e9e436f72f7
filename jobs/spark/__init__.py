"""Spark: its session, workers, properties and errors.

Enters: `spark.*` settings, a session. Leaves: a session and its workers, findings about a set-up,
errors in words, the live line. Must not import: torch, transformers, a room of jobs but `config`.
"""
