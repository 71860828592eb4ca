"""Tests of model/paper."""
