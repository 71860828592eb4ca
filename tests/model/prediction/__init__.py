"""Tests of model/prediction."""
