"""Postgres: the log, its index, leases and snapshots; all contact with `eventsourcing` and
psycopg."""
