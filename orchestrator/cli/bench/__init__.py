"""`dalsegno bench`."""
