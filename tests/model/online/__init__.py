"""Tests of model/online."""
