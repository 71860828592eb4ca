"""Tests of model/shots."""
