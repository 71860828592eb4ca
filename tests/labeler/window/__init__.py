"""Tests of labeler/window."""
