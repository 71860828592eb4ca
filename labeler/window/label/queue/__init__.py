"""The list of shots beside the pattern: its head, filters, tiles and progress."""
