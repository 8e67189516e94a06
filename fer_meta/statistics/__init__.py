"""Scores, intervals, ranks, and what they say in words. Nothing here imports torch."""
