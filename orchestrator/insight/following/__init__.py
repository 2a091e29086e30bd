"""Following: events after a position, in order and once; which ones; who got how far."""
