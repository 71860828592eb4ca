"""Tests of model/simulate."""
