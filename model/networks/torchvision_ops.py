"""The one place through which torchvision may be imported.

torchvision's wheel for another kind of machine than torch's (PyPI's wheel beside a CPU build of
torch) cannot load its compiled operators, and then `import torchvision` itself fails, because it
registers shapes for two operators that were never declared: `torchvision::nms` and `::qnms`.
Declaring both beforehand lets the import pass; nothing here calls them. timm imports torchvision
as well, so `declare()` comes before it too.
"""

from __future__ import annotations

import importlib
from types import ModuleType

import torch

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_kept: list[torch.library.Library] = []


def declare() -> None:
    """Declare the two operators where torchvision's own library does not; safe to repeat."""
    if _kept:
        return
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    _kept.append(library)
    if _compiled_operators_load():
        return
    for name in ("nms", "qnms"):
        library.define(name + _SCHEMA)  # type: ignore[no-untyped-call]


def _compiled_operators_load() -> bool:
    """Whether torchvision's own library loads here; it then declares the operators itself."""
    from importlib.util import find_spec
    from pathlib import Path

    spec = find_spec("torchvision")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for library in (*Path(folder).glob("_C*.so"), *Path(folder).glob("_C*.pyd")):
            try:
                torch.ops.load_library(str(library))  # type: ignore[no-untyped-call]
            except OSError:
                continue
            return True
    return False


def load() -> ModuleType:
    """torchvision, imported; raises ImportError where it is not installed."""
    declare()
    return importlib.import_module("torchvision")
