"""Tests of model/taxonomy."""
