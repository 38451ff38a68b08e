"""Run Python code in a process that the kernel kills when it opens an internet socket, as any look-up does.

python -m tests.models.no_network CODE
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

AF_INET, AF_INET6 = 2, 10
_SOCKET_CALL = {"x86_64": 41, "aarch64": 198}
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_KILL_PROCESS, _ALLOW = 0x8000_0000, 0x7FFF_0000
_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def forbid_internet_sockets() -> None:
    """Let the kernel end this process at its next socket(AF_INET or AF_INET6); see seccomp(2)."""
    instructions = (
        (_LOAD, 0, 0, 0),  # number of the system call
        (_EQUAL, 0, 4, _SOCKET_CALL[os.uname().machine]),
        (_LOAD, 0, 0, 16),  # its first argument
        (_EQUAL, 1, 0, AF_INET),
        (_EQUAL, 0, 1, AF_INET6),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_RETURN, 0, 0, _ALLOW),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in instructions))
    program = _Program(len(instructions), ctypes.cast(code, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.prctl(_SECCOMP, _FILTER, ctypes.byref(program)):
        raise OSError(ctypes.get_errno(), "seccomp")


if __name__ == "__main__":
    forbid_internet_sockets()
    exec(sys.argv[1])  # noqa: S102 (the tests' own code)
