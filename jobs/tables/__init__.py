"""Tables in. Enters: which table is wanted. Leaves: a DataFrame whose columns were looked at.

Must not import: torch, transformers. Runs on Spark Connect.
"""
