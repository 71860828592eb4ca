"""What all tests of the window's half share."""

import gc

import pytest


@pytest.fixture(autouse=True)
def garbage_of_this_thread():
    """Forgotten widgets die here, before another test's reader thread can collect them."""
    yield
    gc.collect()
    gc.enable()  # a session switched it off
