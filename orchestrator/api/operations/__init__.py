"""What can be asked, by whatever way: one method for each operation, in one class."""
