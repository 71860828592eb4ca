"""One BLAS thread for small products, whoever calls: more would wait for each other."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any

from threadpoolctl import ThreadpoolController


def one_blas_thread() -> AbstractContextManager[Any]:
    """While it is entered, BLAS works in the calling thread alone.

    Products this small lose more than they win by threads, and where other work shares the cores,
    BLAS threads that wait for each other take a hundred times as long.
    """
    return _blas().limit(limits=1)


@lru_cache(maxsize=1)
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")
