"""What if: forks before they are asked for, and recorded runs through changed definitions."""
