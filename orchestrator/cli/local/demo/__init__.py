"""The demo: a run that survives the death of a node and of its coordinator, to be watched."""
