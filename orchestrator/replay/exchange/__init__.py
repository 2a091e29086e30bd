"""Exchange: runs as files for others, with values covered, and such files as history again."""
