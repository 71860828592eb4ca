"""Loaded by a Dask worker when it starts: its ResNet-18 is narrow as that of the tests."""

from tests.helpers.narrow import make_narrow

make_narrow()
