"""Training as a generator of events: split, loop, exact resume, several processes."""
