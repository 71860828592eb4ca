"""Which versions decide what a work gives, to refuse workers that would give something else."""

from __future__ import annotations

import platform
from importlib import metadata

PACKAGES = ("airylabel", "numpy", "scipy", "h5py", "torch", "openvino", "distributed")


def versions() -> dict[str, str]:
    """Package to version, of this process; '' for what is not installed."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = ""
    return found


def difference(here: dict[str, str], there: dict[str, str]) -> str:
    """What differs, in words; '' where nothing does."""
    differs = [n for n in here if here[n] != there.get(n)]
    return ", ".join(
        f"{n} {there.get(n) or 'missing'} instead of {here[n] or 'none'}" for n in differs
    )
