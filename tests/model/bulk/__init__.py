"""Tests of model/bulk."""
