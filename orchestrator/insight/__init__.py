"""Insight: read models of runs, as people and programs are shown them."""
