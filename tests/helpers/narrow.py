"""The ResNet-18 with a quarter of its maps and half of its blocks: it is trained in a blink.

Everything else of it is as it is. Modules of tests that train use the fixture `narrow_network`;
their child processes call `make_narrow` first, or are this module with words for the command line.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from model.networks.table import NETWORKS

WHOLE = NETWORKS["resnet18"]
NARROW = replace(WHOLE, width=16, layers=(1, 1, 1, 1))


def make_narrow() -> None:
    """From now on the ResNet-18 of this process is narrow."""
    NETWORKS["resnet18"] = NARROW


def is_narrow() -> bool:
    """Whether it is now."""
    return NETWORKS["resnet18"] is NARROW


@pytest.fixture(scope="module")
def narrow_network():
    """The ResNet-18 is narrow in this module of tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORKS, "resnet18", NARROW)
        yield


@pytest.fixture(scope="module")
def without_openvino():
    """Predictions within this process are by torch, as where OpenVINO is not installed: to convert
    a network takes longer than to read the few shots of a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "openvino", None)
        yield


if __name__ == "__main__":
    from labeler.cli import main

    make_narrow()
    sys.exit(main())
