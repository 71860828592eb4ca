"""Coverage-guided fuzzing of everything that parses what strangers wrote; see `__main__`."""
