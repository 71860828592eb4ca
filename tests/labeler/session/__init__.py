"""Tests of labeler/session."""
