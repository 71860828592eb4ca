"""Tests of model/networks."""
