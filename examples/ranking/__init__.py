"""What will be next: recommendations on four public databases."""
