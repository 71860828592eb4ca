"""Tests of labeler/active."""
