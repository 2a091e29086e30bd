"""Counting: the log folded into lists and statistics, and their audit."""
