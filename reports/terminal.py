"""Results on a terminal: found actions as a table with a timeline, and what to type next."""
