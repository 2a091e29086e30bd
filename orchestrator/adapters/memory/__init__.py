"""Twins of the other side, in memory: for the simulator and for the contract suites."""
