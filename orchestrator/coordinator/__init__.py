"""The coordinator: owns shards, decides, appends, dispatches. A sans-IO core and a thin edge around
it.
"""
