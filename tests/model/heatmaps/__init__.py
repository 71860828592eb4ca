"""Tests of model/heatmaps."""
