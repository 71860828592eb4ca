"""Which version of the program this is. Nothing else."""

from importlib import metadata


def version() -> str:
    """The installed version, or '0+unknown' when run from a folder that is not installed."""
    try:
        return metadata.version("airylabel")
    except metadata.PackageNotFoundError:
        return "0+unknown"
