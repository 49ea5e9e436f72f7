"""The enrichment itself: prepared, planned, measured."""
