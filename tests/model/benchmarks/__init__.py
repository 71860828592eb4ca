"""Tests of model/benchmarks."""
