"""Audit: every run, every append and every archive, judged by rules that need no coordinator."""
