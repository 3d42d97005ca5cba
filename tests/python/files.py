"""Small GGUF files that the tests need and the repository does not have."""
import struct
from pathlib import Path
from typing import List

ALIGNMENT = 32


def _string(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


def control_vector(path: Path, values: List[float], block: int) -> None:
    """What is added behind one block."""
    header = b"GGUF" + struct.pack("<IQQ", 3, 1, 1)
    header += _string(b"general.architecture") + struct.pack("<I", 8) + _string(b"controlvector")
    header += _string(b"direction.%d" % block) + struct.pack("<IQIQ", 1, len(values), 0, 0)
    padding = b"\0" * (-len(header) % ALIGNMENT)
    path.write_bytes(header + padding + struct.pack(f"<{len(values)}f", *values))


def with_template(model: Path, to: Path, template: str) -> None:
    """A copy with another chat template: longer by whole units of alignment, so that nothing else moves."""
    data = model.read_bytes()
    key = _string(b"tokenizer.chat_template") + struct.pack("<I", 8)
    at = data.index(key) + len(key)
    (old,) = struct.unpack_from("<Q", data, at)
    text = template.encode("utf-8")
    text += b"{#-" + b" " * ((old - len(text) - 6) % ALIGNMENT) + b"-#}"
    to.write_bytes(data[:at] + _string(text) + data[at + 8 + old:])
