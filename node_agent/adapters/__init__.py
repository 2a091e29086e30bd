"""Drivers of the node agent: the only places that talk to the outside."""
