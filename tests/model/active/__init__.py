"""Tests of model/active."""
