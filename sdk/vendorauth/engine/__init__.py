"""Keep a token fresh: every await, lock, task and clock is in here."""
