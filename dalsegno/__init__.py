"""Dal Segno for those who use it: `following`, `simulation`, `testing`."""
