"""Tests of labeler/runs."""
