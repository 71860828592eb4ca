"""Tests of labeler/exchange."""
