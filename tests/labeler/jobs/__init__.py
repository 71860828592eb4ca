"""Tests of labeler/jobs."""
