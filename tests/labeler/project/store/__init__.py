"""Tests of labeler/project/store."""
