"""Scores: gold tags, predictions held against them."""
