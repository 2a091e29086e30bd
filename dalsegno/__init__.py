"""Dal Segno for those who use it: so far, `dalsegno.testing`."""
