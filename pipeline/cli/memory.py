"""The C library's allocator, set for a process that runs for months."""

from __future__ import annotations

import ctypes
import os

VARIABLE = "MALLOC_ARENA_MAX"
"""Environment variable with which an operator chooses otherwise; see mallopt(3)."""
M_ARENA_MAX = -8
"""Number of the option in glibc's malloc.h."""


def use_one_arena() -> bool:
    """Let all threads allocate from one arena; return whether that is so now.

    glibc gives each of a dozen threads an arena of its own, and what one frees the others cannot use; one
    costs little, since most of the threads wait for Python's lock anyway. With 20 calls for 7 minutes, 288
    to 290 MiB instead of 293 to 296 (``python -m benchmarks soak --minutes 6``). To be called before there
    are threads; does nothing where the operator has set :data:`VARIABLE`, or without glibc.
    """
    if VARIABLE in os.environ:
        return False
    try:
        return bool(ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1))
    except (AttributeError, OSError, TypeError):
        return False
