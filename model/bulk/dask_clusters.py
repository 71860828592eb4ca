"""Which Dask cluster does the work: one of this machine, one that runs, or one under Slurm.

Sites say what their Slurm needs in dask-jobqueue's own configuration (~/.config/dask/jobqueue.yaml
or DASK_JOBQUEUE__SLURM__…): queue, account, walltime, memory. What they say goes first.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import platformdirs

from model.bulk.plain import check_workers
from model.errors import InputError, install

LOCAL, SLURM = "local", "slurm"
CONNECT_S = 10
"""How long a scheduler may take to answer."""
SLURM_JOBS = 4
"""Workers that are asked for where no one says how many."""
_SLURM_DEFAULTS = {"cores": 1, "processes": 1, "memory": "4GB"}
_ENVIRONMENT = {
    "OMP_WAIT_POLICY": "passive",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    # Dask gives memory back to the system at once, and every array of numbers is then paid for
    # again; the memory of our work is flat
    "MALLOC_TRIM_THRESHOLD_": str(256 * 2**20),
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
}
_PAGES = "127.0.0.1:0"
_HTTP = {"dashboard": False, "dashboard_address": _PAGES}
"""No pages of its own: the events say it all. What Dask opens all the same is on loopback."""
_ADDRESSES = ("tcp", "tls", "ucx", "ws", "wss")


def checked(scheduler: str, workers: int | None) -> str:
    """The scheduler's name or address; InputError where it can be none, or Dask is missing."""
    check_workers(workers)
    os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "critical")  # ours are the events
    wanted = ["distributed"] + ["dask_jobqueue"] * (scheduler == SLURM)
    wanted += ["cryptography"] * (scheduler in (LOCAL, SLURM))
    if any(importlib.util.find_spec(name) is None for name in wanted):
        packages = ("distributed", "dask-jobqueue", "cryptography")
        mend = f"{install(*packages)}; or leave out --scheduler"
        raise InputError("work on a cluster needs Dask, which is not installed", mend=mend)
    if scheduler in (LOCAL, SLURM):
        return scheduler
    try:
        parts = urlsplit(scheduler)
        good = parts.scheme in _ADDRESSES and bool(parts.hostname and parts.port)
    except ValueError:
        good = False
    if not good:
        mend = "Use local, slurm, or an address such as tcp://host:8786."
        raise InputError(f"{scheduler!r} is no scheduler", mend=mend)
    return scheduler


@contextlib.contextmanager
def client(scheduler: str, workers: int | None) -> Any:
    """A connected client of it; whatever was started for it ends with it.

    Raises InputError where the scheduler cannot be reached or started.
    """
    import distributed

    with contextlib.ExitStack() as stack:
        address: Any = scheduler
        if scheduler == LOCAL:
            address = stack.enter_context(_local(workers or os.cpu_count() or 1))
        elif scheduler == SLURM:
            address = stack.enter_context(slurm_cluster())
            address.scale(jobs=workers or SLURM_JOBS)
        try:
            # what our own workers made need not go through the scheduler
            direct = scheduler in (LOCAL, SLURM)
            found = distributed.Client(address, timeout=CONNECT_S, direct_to_workers=direct)
        except (OSError, TimeoutError, ValueError) as error:
            raise InputError(
                f"the scheduler {scheduler} does not answer ({_first_line(error)})",
                mend="Is it running, and can this machine reach it? Nothing was lost; the same "
                "command goes on where it was.",
            ) from error
        stack.callback(found.close, timeout=CONNECT_S)
        yield found


@contextlib.contextmanager
def _local(workers: int) -> Any:
    import dask
    import distributed

    scratch = tempfile.mkdtemp(prefix="airylabel-dask-")
    try:
        with dask.config.set({"distributed.nanny.pre-spawn-environ": _ENVIRONMENT}):
            cluster = distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                protocol="tls://",
                security=_secret(),
                dashboard_address=None,
                worker_dashboard_address=_PAGES,
                scheduler_kwargs=_HTTP,
                local_directory=scratch,
                memory_limit=0,  # of a flat job; a limit would kill workers on small machines
                silence_logs=logging.CRITICAL,
            )
        try:
            yield cluster
        finally:
            cluster.close(timeout=CONNECT_S)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _secret() -> Any:
    """A key and certificate of this run alone: who has not got them can neither ask nor listen.

    Without them, any user of the machine could have the scheduler run code as us.
    """
    import distributed

    return distributed.security.Security.temporary()


def _folder_of_keys() -> Path:
    """Where Slurm's workers find the key of their run: in the home that all nodes share, for its
    owner alone."""
    folder = platformdirs.user_cache_path("airylabel", appauthor=False) / "slurm"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def slurm_cluster() -> Any:
    """A cluster without workers yet; `job_script()` of it is what Slurm is given."""
    if shutil.which("sbatch") is None:
        mend = "Work where Slurm's commands are, or use --scheduler local."
        raise InputError("there is no sbatch on this machine", mend=mend)
    return _slurm_cluster()


def _slurm_cluster() -> Any:
    import dask
    from dask_jobqueue import SLURMCluster

    said = dask.config.get("jobqueue.slurm", {})
    mine = {k: v for k, v in _SLURM_DEFAULTS.items() if said.get(k) is None}
    before = [f"export {name}={value}" for name, value in _ENVIRONMENT.items()]
    before = [*(said.get("job-script-prologue") or ()), *before]
    try:
        return SLURMCluster(
            **mine,
            job_script_prologue=before,
            scheduler_options=_HTTP,
            worker_extra_args=["--dashboard-address", _PAGES],
            protocol="tls://",
            security=_secret(),
            shared_temp_directory=said.get("shared-temp-directory") or str(_folder_of_keys()),
        )
    except (ValueError, OSError, RuntimeError) as error:
        mend = "Look at dask-jobqueue's configuration, jobqueue.slurm."
        raise InputError(f"Slurm cannot be used ({_first_line(error)})", mend=mend) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
