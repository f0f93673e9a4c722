"""People: where they are and what each of them does."""
