"""The list of shots beside the pattern: its head, filters and progress."""
