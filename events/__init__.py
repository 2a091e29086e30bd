"""The shared language of coordinator, node agents and clients: facts, commands, reports, ids,
codec.

Imports nothing but the standard library and msgspec; everything here is data or a pure function.
"""
