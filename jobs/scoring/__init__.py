"""What a model finds, held against what people found.

Enters: a CoNLL file of words and their tags, a model. Leaves: scores, as a table and as JSON.
Must not import: torch, transformers; and pyspark in `predictions` and `evaluation` alone, so that
gold is read and scored where Spark is not installed.
"""
