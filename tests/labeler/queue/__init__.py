"""Tests of labeler/queue."""
