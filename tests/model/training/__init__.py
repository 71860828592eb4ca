"""Tests of model/training."""
