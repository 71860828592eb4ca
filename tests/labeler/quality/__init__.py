"""Tests of labeler/quality."""
