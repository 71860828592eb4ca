"""Blocks of shots done by the workers of a Dask cluster; what they make comes back to one writer.

Dask gives the blocks of a lost worker to others, so a loss costs what that worker had in hand. A
worker with other versions than ours is refused. Only imported where someone asked for a cluster.
"""

from __future__ import annotations

import contextlib
import platform
import threading
import time
import uuid
import warnings
from collections.abc import Iterator, Sequence
from importlib import metadata
from typing import Any

import distributed
from distributed.scheduler import KilledWorker
from threadpoolctl import threadpool_limits

from model.bulk.dask_clusters import client
from model.bulk.filling import Block
from model.bulk.plain import BlockError, Prepare
from model.errors import InputError
from model.events import Event, event

AHEAD = 3
"""Blocks per thread of a worker that wait for it, so that none is idle."""
RETRIES = 1
"""A block that fails for what may pass (a file server that stumbles) gets another chance."""
LOOK_S = 0.5
"""Seconds between two looks at who is there, and whether someone wants to stop."""

PACKAGES = ("airylabel", "numpy", "scipy", "h5py", "torch", "openvino", "distributed")
"""Their versions decide what a work gives."""

_known: dict[str, tuple[Prepare, Any, str]] = {}
"""In a worker: by token, what prepares, the task, and what is wrong with this worker's versions."""
_mine = threading.local()
"""In a thread of a worker: the token it is prepared for, and what does a block."""


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


class _TaskPlugin(distributed.WorkerPlugin):
    """Brings the task to every worker once, those that come later included."""

    idempotent = True

    def __init__(self, token: str, prepare: Prepare, task: Any) -> None:
        self.name, self.prepare, self.task = token, prepare, task
        self.versions = versions()

    def setup(self, worker: Any) -> None:
        wrong = difference(self.versions, versions())
        _known[self.name] = self.prepare, self.task, wrong

    def teardown(self, worker: Any) -> None:
        _known.pop(self.name, None)


class WrongVersionsError(InputError):
    """A worker would give other numbers than this process."""


def _do(token: str, block: Block) -> Any:
    """In a worker: one block."""
    prepare, task, wrong = _known[token]
    if wrong:
        where = distributed.get_worker().address
        mend = "Give the workers the same environment as this machine."
        raise WrongVersionsError(f"the worker {where} has {wrong}", mend=mend)
    if getattr(_mine, "token", None) != token:
        threadpool_limits(1)
        _mine.work, _mine.token = prepare(task), token
    return _mine.work(block)


class DaskWorkers:
    """See `engines.Workers`."""

    def __init__(self, prepare: Prepare, task: Any, scheduler: str, workers: int | None) -> None:
        self._prepare, self._task = prepare, task
        self._scheduler, self._workers = scheduler, workers
        self._token = f"airylabel-{uuid.uuid4().hex}"
        self._stack = contextlib.ExitStack()
        self._there: dict[str, int] = {}
        self._looked = 0.0
        self._alone = False

    def __enter__(self) -> DaskWorkers:
        with contextlib.ExitStack() as stack:
            stack.enter_context(warnings.catch_warnings())
            # its own words about versions: ours are refused, with what to do
            warnings.simplefilter("ignore", distributed.versions.VersionMismatchWarning)
            self._client = stack.enter_context(client(self._scheduler, self._workers))
            try:
                self._client.register_plugin(_TaskPlugin(self._token, self._prepare, self._task))
            except ImportError as error:
                mend = "Give the workers the same environment as this machine."
                raise InputError(f"the workers lack airylabel ({error})", mend=mend) from error
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        with contextlib.ExitStack() as stack:
            stack.push(self._stack)
            if self._scheduler not in ("local", "slurm"):  # those end with us
                with contextlib.suppress(OSError, TimeoutError):  # the scheduler may be gone
                    self._client.unregister_worker_plugin(self._token)

    def run(self, blocks: Sequence[Block]) -> Iterator[tuple[Block, Any] | Event | None]:
        """See `engines.Workers`."""
        left = iter(blocks)
        waiting: dict[Any, Block] = {}
        try:
            while True:
                yield from self._look()
                room = AHEAD * max(1, sum(self._there.values()))
                while len(waiting) < room and (block := next(left, None)) is not None:
                    waiting[self._submit(block)] = block
                if not waiting:
                    return
                try:
                    done = distributed.wait(list(waiting), LOOK_S, "FIRST_COMPLETED").done
                except TimeoutError:
                    yield None
                    continue
                for future in done:
                    yield waiting.pop(future), self._answer(future)
        except (OSError, distributed.CancelledError) as error:
            mend = "What was finished is kept; the same command goes on."
            what = f"the scheduler {self._scheduler} is gone ({error or type(error).__name__})"
            raise InputError(what, mend=mend) from error
        finally:
            with contextlib.suppress(OSError, TimeoutError):
                self._client.cancel(list(waiting))

    def _submit(self, block: Block) -> Any:
        key = f"{self._token}-{block[0]}-{block[1]}"
        return self._client.submit(_do, self._token, block, key=key, retries=RETRIES, pure=False)

    def _answer(self, future: Any) -> Any:
        try:
            return future.result()
        except WrongVersionsError:
            raise
        except KilledWorker as error:
            return BlockError(
                f"{error.allowed_failures + 1} workers died on it: a shot may be damaged, or their "
                "memory too small"
            )
        except distributed.CancelledError:
            raise
        except ImportError as error:
            mend = "Give the workers the same environment as this machine."
            raise InputError(f"a worker lacks what the work needs ({error})", mend=mend) from error
        except Exception as error:  # noqa: BLE001  whatever a block raises is told with its shots
            return BlockError(str(error) or type(error).__name__)

    def _look(self) -> Iterator[Event]:
        """What the person should know of who came and who was lost."""
        if time.monotonic() - self._looked < LOOK_S:
            return
        self._looked = time.monotonic()
        there = dict(self._client.nthreads())
        lost = set(self._there) - set(there)
        if lost:
            text = f"Lost {len(lost)} of {len(self._there)} workers; others do what they had."
            yield event("note", level="warning", text=text, lost=sorted(lost))
        if not there and not self._alone:
            text = "No worker is there yet; the work begins with the first one."
            yield event("note", level="info", text=text)
        self._there, self._alone = there, not there
