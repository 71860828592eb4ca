"""Arrays on a Tiled server, by Tiled's own client: a text file `.tiled` holds the address of one.

(shot, y, x), or with detector modules (shot, module, y, x) or (train, pulse, module, y, x), stacked
one above the other; of a container, `dataset` is the array in it. A server is called only where
this user allowed it; its key stands in the environment as TILED_API_KEY.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import numpy as np

from model.errors import InputError
from model.output_files import written_whole
from model.shots.layouts.base import Counts
from model.shots.layouts.formats.base import Blocks, Foreign, optional
from model.shots.layouts.formats.servers import may_be_called

ENDING = ".tiled"
KEY = "TILED_API_KEY"
BLOCK_BYTES, BLOCKS = 8 * 2**20, 4
"""Shots are asked for in blocks of this many bytes, of which this many are kept."""
PATIENCE_S, TRIES = 15.0, "2"
"""This long an answer is waited for; so often a server that is not there is tried."""


def write_address(url: str, path: Path) -> Path:
    """A file that holds the address of an array; InputError for what is no address."""
    server_of(url, path)
    with written_whole(path) as part:
        part.write_text(f"{url}\n", encoding="utf-8")
    return path


def address_in(path: Path) -> str:
    """The address that a file holds; InputError where it holds none."""
    try:
        url = path.read_text(encoding="utf-8")[:2000].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read ({error})", file=path, mend="Write it again.") from error
    server_of(url, path)
    return url


def server_of(url: str, path: Path) -> str:
    """The server of an address, as a person is asked about it."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "\n" in url:
        mend = "Write the address of an array, as http://HOST:8000/api/v1/metadata/run/shots."
        raise InputError("holds no address of a Tiled server", file=path, mend=mend)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


def _array_client() -> type:
    """What Tiled's client makes of an array: its own would first load dask, sparse, pandas and
    xarray, which takes longer than all the rest of opening."""
    from tiled.client.base import BaseClient
    from tiled.client.utils import handle_error, params_from_slice, retry_context

    class ArrayOfShots(BaseClient):
        @property
        def shape(self) -> tuple[int, ...]:
            return tuple(self.structure().shape)

        @property
        def dtype(self) -> np.dtype[Any]:
            return np.dtype(self.structure().data_type.to_numpy_dtype())

        @property
        def chunks(self) -> tuple[tuple[int, ...], ...]:
            return tuple(self.structure().chunks)

        def __getitem__(self, shots: slice) -> Counts:
            start, stop, _ = shots.indices(self.shape[0])
            shape = stop - start, *self.shape[1:]
            asked = {"expected_shape": ",".join(map(str, shape))}
            asked |= params_from_slice(slice(start, stop))
            ask = self.context.http_client.get
            as_bytes = {"Accept": "application/octet-stream"}
            for attempt in retry_context():
                with attempt:
                    answer = ask(self.item["links"]["full"], headers=as_bytes, params=asked)
                    content = handle_error(answer).read()
            return np.frombuffer(content, self.dtype).reshape(shape)

    return ArrayOfShots


class TiledArray(Foreign):
    """The layout of an array on a Tiled server."""

    name: ClassVar[str] = "tiled"

    @classmethod
    def fits(cls, path: Path) -> bool:
        return path.suffix == ENDING and path.is_file()

    def __init__(
        self, path: Path, dataset: str | None = None, shot_names: Sequence[str] | None = None
    ) -> None:
        self.path, self._url = path, address_in(path)
        self._server = server_of(self._url, path)
        if not may_be_called(self._server):
            what = f"its shots are on the server {self._server}, never called from here"
            mend = "If you trust whoever gave you the file: airylabel allow-server PROJECT"
            raise InputError(what, file=path, mend=mend)
        os.environ.setdefault("TILED_RETRY_ATTEMPTS", TRIES)
        with optional(path, "arrays of Tiled", "tiled[client]"):
            import httpx
            from tiled.client import from_uri
            from tiled.client.container import Container
            from tiled.client.utils import ClientError

            clients = {"container": Container, "array": _array_client()}
        self._lost = (httpx.HTTPError, ClientError, RuntimeError)
        try:
            node: Any = from_uri(
                self._url, structure_clients=clients, api_key=os.environ.get(KEY),
                remember_me=False, prompt_for_reauthentication=False,
                timeout=httpx.Timeout(PATIENCE_S),
            )  # fmt: skip
            self._client = node
            for step in filter(None, (dataset or "").split("/")):
                node = node[step]
            self._inside = () if hasattr(node, "chunks") else tuple(list(node)[:20])
        except self._lost as error:
            raise self._away(error) from error
        except KeyError as error:
            mend = "Name an array of the container."
            raise InputError(
                f"there is no array called {error}", file=path, place=dataset or "", mend=mend
            ) from error
        self.dataset = dataset or ""
        shape = tuple(getattr(node, "shape", ()))
        if not 3 <= len(shape) <= 5 or node.dtype.kind not in "biuf" or 0 in shape:
            have = f" It holds: {', '.join(self._inside)}." if self._inside else ""
            mend = f"Name an array (shot, y, x) of numbers with --dataset.{have}"
            what = f"{self._url} is no array of shots"
            self.close()
            raise InputError(what, file=path, place=self.dataset, mend=mend)
        one = int(np.prod(shape[1:])) * node.dtype.itemsize
        block = max(1, min(BLOCK_BYTES // one, int(node.chunks[0][0])))
        self._blocks = Blocks(node, block, BLOCKS)
        self.n_shots, self.shape = self._blocks.n_shots, self._blocks.shape
        self.dtype = self._blocks.dtype

    def _away(self, error: Exception) -> InputError:
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        mend = f"Check the address, the server, and the key in {KEY}; try again when it is back."
        return InputError(
            f"Tiled at {self._url} does not answer ({said})", file=self.path, mend=mend
        )

    def read(self, i: int) -> Counts:
        try:
            return self._blocks.read(i)
        except self._lost as error:
            raise self._away(error) from error

    def close(self) -> None:
        self._client.context.http_client.close()

    def notes(self) -> tuple[str, ...]:
        return (f"read from {self._url}",)
