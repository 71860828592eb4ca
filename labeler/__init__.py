"""What a person touches, and what they decided: project, store, jobs, window, command line."""


def version() -> str:
    """The installed version, or '0+unknown' when run from a folder that is not installed."""
    from importlib import metadata  # not needed by the children that read shots

    try:
        return metadata.version("airylabel")
    except metadata.PackageNotFoundError:
        return "0+unknown"
