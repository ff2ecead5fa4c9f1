"""What people and programs see of the counting: a read model over the changelog, and the pages on it."""
