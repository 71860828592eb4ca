"""The process of the window: screen or none, crashes, log, garbage collection."""
