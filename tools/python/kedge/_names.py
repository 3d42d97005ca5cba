"""From a model's name to its file: as `kedge run -m` does, without the caches of other programs."""
from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Dict, Iterator, List, Union

from .errors import NotFound

_QUANT = re.compile(r"(?:^|[-.])((?:IQ|TQ|Q)\d_[0-9A-Z_]+|B?F16|F32|FP16|FP32|MXFP4(?:_MOE)?|NVFP4)(?=$|[-.])", re.IGNORECASE)
_PART = re.compile(r"-(\d{5})-of-\d{5}$")


def _embedded_folders() -> Iterator[Path]:
    """Beside a source tree's package, and where packages install them."""
    here = Path(__file__).resolve().parent
    if len(here.parents) > 2 and (here.parents[2] / "include" / "kedge" / "kedge.h").is_file():
        yield here.parents[2] / "models"
    for prefix in ("/usr/local", "/usr"):
        yield Path(prefix) / "share" / "kedge" / "models"


def _pulled_folder() -> Path:
    """Where `kedge pull` puts models."""
    own = os.environ.get("KEDGE_MODELS")
    if own:
        return Path(own)
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "kedge" / "models"


def models() -> Dict[str, str]:
    """Names and files of the models that are here: embedded ones and those of `kedge pull`."""
    known: Dict[str, str] = {}
    for folder in _embedded_folders():
        for file in sorted(folder.glob("*.gguf")):
            known.setdefault(file.stem.split("-")[0], str(file))
    root = _pulled_folder()
    for file in sorted(root.rglob("*.gguf")):
        part = _PART.search(file.stem)
        if part and part.group(1) != "00001":
            continue
        stem = _PART.sub("", file.stem)
        below = file.parent.relative_to(root).as_posix()
        quants = _QUANT.findall(stem)
        known[stem if below == "." else f"{below}:{quants[-1].upper() if quants else stem}"] = str(file)
    return known


def find(model: Union[str, "os.PathLike[str]"]) -> str:
    """The file of a path or a name."""
    name = os.fspath(model)
    if os.path.exists(name):
        return name
    known = models()
    wanted = name.lower()
    equal: List[str] = [n for n in known if n.lower() == wanted]
    found = equal or [n for n in known if ":" not in wanted and n.lower().startswith(wanted + ":")]
    if len(found) == 1:
        return known[found[0]]
    if found:
        raise NotFound(f"'{name}' means {' and '.join(found)}: name one")
    raise NotFound(f"'{name}': no such file, and no model of that name ({', '.join(known) or 'there are none'})")
