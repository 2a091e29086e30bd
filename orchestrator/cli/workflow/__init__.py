"""`dalsegno workflow` and `simulate`: definitions, before they run."""
