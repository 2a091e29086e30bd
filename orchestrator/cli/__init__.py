"""The command line: a driving edge over the client port and the read-only log."""
