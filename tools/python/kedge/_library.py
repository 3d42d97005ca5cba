"""Finds libkedge and loads it, once."""
from __future__ import annotations

import ctypes
import ctypes.util
import os
from pathlib import Path
from typing import Any, Iterator, List, Optional, Tuple

from . import _abi


def _candidates() -> Iterator[str]:
    """Beside the package (a wheel), in an installed prefix, in a build of the source tree: the newest first."""
    here = Path(__file__).resolve().parent
    for name in ("libkedge.so", "libkedge.so.1"):
        if (here / name).is_file():
            yield str(here / name)
    root = here.parents[2] if len(here.parents) > 2 else here
    if (root / "include" / "kedge" / "kedge.h").is_file():
        builds = [p for p in root.glob("build/*/libkedge.so") if p.is_file()]
        yield from (str(p) for p in sorted(builds, key=lambda p: p.stat().st_mtime, reverse=True))
    installed = ctypes.util.find_library("kedge")
    if installed:
        yield installed


def _load() -> Tuple[Any, str]:
    named: Optional[str] = os.environ.get("KEDGE_LIBRARY")
    tried: List[str] = []
    for path in [named] if named else _candidates():
        try:
            loaded = ctypes.CDLL(path)
            break
        except OSError as error:
            tried.append(str(error))
    else:
        reasons = "".join(f"\n  {reason}" for reason in tried)
        raise ImportError("libkedge was not found: neither beside the package, nor in a build of the source tree, nor "
                          f"installed. KEDGE_LIBRARY names it.{reasons}" if not named else
                          f"libkedge, as KEDGE_LIBRARY names it, cannot be loaded:{reasons}")
    for name, signature in _abi.FUNCTIONS.items():
        try:
            function = getattr(loaded, name)
        except AttributeError:
            raise ImportError(f"{path} has no {name}: it is older than this package") from None
        function.restype, function.argtypes = _abi.prototype(signature)
    if loaded.kedge_abi_version() != _abi.ABI_VERSION:
        raise ImportError(f"{path} has ABI {loaded.kedge_abi_version()}, this package is for {_abi.ABI_VERSION}")
    return loaded, path


lib, path = _load()
