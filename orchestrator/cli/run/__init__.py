"""`dalsegno run`, `fork` and `task`: starting runs, listing them, steering and mending them."""
