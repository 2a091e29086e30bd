"""The machine: what its processes use, and where this one spends its time."""
