"""The tests; a package so that `python -m tests.gauntlet` finds its way whatever is installed."""
