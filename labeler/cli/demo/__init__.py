"""The demo project and its tour, for their subcommands."""

from labeler.cli.demo.commands import add_parsers

__all__ = ["add_parsers"]
