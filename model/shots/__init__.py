"""Shots in files of several layouts, and tables of shots with their labels."""

from model.shots.table import open_source, table_of_file

__all__ = ["open_source", "table_of_file"]
