"""Tables out. Enters: a plan. Leaves: a run, whole, in its output; or the output as it was.

Must not import: torch, transformers. Needs classic Spark.
"""
