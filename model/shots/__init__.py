"""Shots in files of several layouts, and tables of shots with their labels."""
