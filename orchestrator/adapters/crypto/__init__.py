"""Encryption, by the `cryptography` library."""
