"""Tests of labeler/project."""
