"""A run. Enters: a configuration. Leaves: what was prepared, planned, measured and audited of it.

Must not import: torch, transformers. `plan` and `metrics` run on Spark Connect.
"""
