"""Archives as files, compressed with zstd."""
