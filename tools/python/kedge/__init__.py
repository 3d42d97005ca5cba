"""Kedge: transformer language models on ordinary CPUs, from Python. docs/python.md has a five-minute start."""
from typing import Any, Dict, List

from ._call import encode, owned_json
from ._library import lib
from ._library import path as _path
from ._names import models
from .chat import Chat, ChatReader, Reply, ToolCall
from .engine import Acquired, Cancel, Engine, PrefixCache, embed_all
from .errors import (Cancelled, Capacity, Corrupt, Internal, InvalidArgument, IoError, KedgeError, NotFound,
                     Unsupported)
from .generation import Generation, Result
from .model import Adapter, Model, ModelInfo
from .request import Logprob
from .router import (Router, audit_export, audit_list, audit_show, audit_verify, calibrate, calibrator_apply,
                     check_answer, index_build, index_info, index_search, route_report)
from .session import Checkpoint, Session, SessionInfo

__version__: str = lib.kedge_version().decode()
library_path: str = _path


def default_threads() -> int:
    """The cores this process may run on, within its cgroup's quota."""
    return int(lib.kedge_default_threads())


def system_info() -> Dict[str, Any]:
    return dict(owned_json(lib.kedge_system_info))


def settings_schema() -> Dict[str, Any]:
    """Sampler settings, memory policies and cache types there are, with defaults and what they do."""
    return dict(owned_json(lib.kedge_settings_schema))


def detect_references(text: str) -> List[Dict[str, Any]]:
    """References in a text, as the memory's detector marks them; positions are bytes of its UTF-8."""
    data = encode(text)
    return list(owned_json(lambda d, n: lib.kedge_detect_references(data, len(data), d, n)))


__all__ = [
    "Acquired", "Adapter", "Cancel", "Cancelled", "Capacity", "Chat", "ChatReader", "Checkpoint", "Corrupt", "Engine",
    "Generation", "Internal", "InvalidArgument", "IoError", "KedgeError", "Logprob", "Model", "ModelInfo", "NotFound",
    "PrefixCache", "Reply", "Result", "Router", "Session", "SessionInfo", "ToolCall", "Unsupported", "audit_export",
    "audit_list", "audit_show", "audit_verify", "calibrate", "calibrator_apply", "check_answer", "default_threads",
    "detect_references", "embed_all", "index_build", "index_info", "index_search", "library_path", "models",
    "route_report", "settings_schema", "system_info",
]
