"""Measurements, for their subcommands."""

from labeler.cli.bench.table import add_parsers

__all__ = ["add_parsers"]
