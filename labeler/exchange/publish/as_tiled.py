"""Findings into a Tiled catalog, by Tiled's own client: two tables, a picture, all provenance."""

from __future__ import annotations

import io
import json
import os
from contextlib import closing
from typing import Any

from labeler.exchange.publish.as_folder import picture, summary
from labeler.exchange.publish.findings import Findings, as_json, table_of, table_size
from model.errors import InputError, install
from model.shots.layouts.formats.tiled_array import KEY, TRIES


def plan(found: Findings, url: str, name: str) -> list[str]:
    """What `send` would write, in lines; nothing is asked of the server."""
    return [
        f"{url}: a new container {name}",
        f"{name}/shots: a table, {table_size(found)}",
        f"{name}/sources: a table, {len(found.sides)} files of shots",
        f"{name}/fractions: a picture",
    ]


def send(found: Findings, url: str, name: str) -> str:
    """Write a new container; the key of the server stands in the environment as TILED_API_KEY.

    InputError where the server cannot be reached, refuses, or has such a container.
    """
    os.environ.setdefault("TILED_RETRY_ATTEMPTS", TRIES)  # read by what is imported next
    try:
        import httpx
        from tiled.client import from_uri
        from tiled.client.utils import ClientError
    except ImportError as error:
        what = f"Tiled's client is not installed ({error})"
        raise InputError(what, mend=install("tiled[client]")) from error
    from matplotlib.image import imread

    about = json.loads(as_json(summary(found)))
    try:
        client: Any = from_uri(url, api_key=os.environ.get(KEY))
        with closing(client.context.http_client):
            if name in client:
                raise InputError(f"{url} has a container {name}", mend="Give another --name.")
            made = client.create_container(name, metadata={"airylabel": about})
            made.write_table(dict(table_of(found)), key="shots")
            lines = [side.flat() for side in found.sides]
            made.write_table({k: [line[k] for line in lines] for k in lines[0]}, key="sources")
            made.write_array(imread(io.BytesIO(picture(found))), key="fractions")
    except (httpx.HTTPError, ClientError) as error:
        mend = f"Check the address, the server, and the key in {KEY}."
        raise InputError(f"Tiled at {url} does not take it ({error})", mend=mend) from error
    return f"{url}/{name}"
