"""Fields of frozen records, checked once the record is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["check_fields"]


def check_fields(record: Any, check: Callable[[str, Any], Any], *fields: str) -> None:
    """Replace fields by what ``check(field, value)`` returns for them; it refuses values by raising."""
    for field in fields:
        object.__setattr__(record, field, check(field, getattr(record, field)))
