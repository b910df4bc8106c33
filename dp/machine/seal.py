"""Records that show a change of what they hold: mappings with a checksum of all their entries."""

from __future__ import annotations

import hashlib
import json
from typing import Any

__all__ = ["digest", "seal_is_whole", "sealed"]

_SEAL = "checksum"


def digest(content: bytes) -> str:
    """SHA-256 digest as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def sealed(record: dict[str, Any]) -> dict[str, Any]:
    """Copy of a record with a checksum of all its entries; a record holds values that JSON can represent."""
    plain = {key: value for key, value in record.items() if key != _SEAL}
    # Keys are sorted, and numbers read back from a file are written as they were.
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return plain | {_SEAL: digest(text.encode())}


def seal_is_whole(record: dict[str, Any]) -> bool:
    """True if a record read from a file is the one that was sealed.

    Examples
    --------
    >>> record = sealed({"value": 0.25})
    >>> seal_is_whole(record), seal_is_whole(record | {"value": 0.75}), seal_is_whole({"value": 0.25})
    (True, False, False)
    """
    return bool(sealed(record)[_SEAL] == record.get(_SEAL))
