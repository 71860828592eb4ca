"""Tests of model/physics."""
