"""Tests of labeler/cli."""
