"""`dalsegno events` and `subscription`: the log as a stream, and as files."""
