"""Tests of labeler/shots."""
