"""What kind of place a project lies in: a network file system, a folder one may not write to."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

NETWORK = (
    "nfs",
    "cifs",
    "smb",
    "afp",
    "lustre",
    "gpfs",
    "beegfs",
    "afs",
    "ceph",
    "9p",
    "ncpfs",
    "fuse.sshfs",
    "fuse.gvfs",
    "fuse.glusterfs",
    "glusterfs",
    "davfs",
    "panfs",
)
"""File systems, by the start of their names, on which SQLite's shared memory does not work."""


def is_network(folder: Path) -> bool:
    """Whether a folder lies on a network file system; False where nobody can tell."""
    text = str(folder.resolve())
    if text.startswith("\\\\"):
        return True
    best, remote = "", False
    for part in psutil.disk_partitions(all=True):
        mount = part.mountpoint
        inside = text == mount or text.startswith(mount.rstrip("/\\") + os.sep)
        if inside and len(mount) >= len(best):
            drive = "remote" in part.opts.split(",")  # as Windows says it
            best, remote = mount, drive or part.fstype.lower().startswith(NETWORK)
    return remote


def is_writable(file: Path) -> bool:
    """Whether a database may be written: the file itself, and its folder for the journal."""
    return os.access(file.parent, os.W_OK) and (not file.exists() or os.access(file, os.W_OK))
