"""A dictionary that forgets what was put into it first. Pure."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """The newest values, so many at most: what strangers send must not fill the memory.

    Args:
        most: values that are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """Return what is kept under a key; None where it was forgotten, or never was."""
        return self._values.get(key)

    def put(self, key: K, value: V) -> None:
        """Keep a value as the newest; forget the oldest where there are too many."""
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > self._most:
            self._values.popitem(last=False)
