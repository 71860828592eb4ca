"""One BLAS thread for products that are too small for more. It computes nothing."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[Any]:
    """While open, numpy multiplies on one thread.

    Small products lose more than they win by more, and where other work shares the cores, BLAS
    threads that wait for each other take a hundred times as long.
    """
    return _blas().limit(limits=1)


@lru_cache(maxsize=1)
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")
