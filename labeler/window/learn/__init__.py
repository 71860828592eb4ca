"""The view Learn: what a training takes, its curves while it runs, and the runs so far."""
