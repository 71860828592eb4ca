"""Tests of model/preprocessing."""
