"""What the window asks of the place where settings are kept; the application brings a real one."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["MemorySettings", "Settings"]


class Settings(Protocol):
    """Remembered values by dotted name ("window.geometry"). Values are what JSON can hold."""

    def get(self, key: str, default: Any = None) -> Any:
        """The value under ``key``, or ``default``."""

    def set(self, key: str, value: Any) -> None:
        """Remember ``value`` under ``key``."""


class MemorySettings:
    """Settings that live as long as the object: for tests and for runs that shall leave no trace."""

    def __init__(self, values: dict[str, Any] | None = None) -> None:
        self.values = dict(values or {})

    def get(self, key: str, default: Any = None) -> Any:
        """The value under ``key``, or ``default``."""
        return self.values.get(key, default)

    def set(self, key: str, value: Any) -> None:
        """Remember ``value`` under ``key``."""
        self.values[key] = value
