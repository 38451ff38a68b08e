from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pipeline.cli.memory import VARIABLE

COUNT = """
import ctypes, tempfile, threading
from pipeline.cli.memory import use_one_arena

libc = ctypes.CDLL(None)
if not hasattr(libc, "malloc_info"):
    raise SystemExit("no glibc")
print(use_one_arena())
met = threading.Barrier(6)

def allocate():
    kept = [bytearray(5000) for _ in range(500)]
    met.wait()
    met.wait()

for _ in range(5):
    threading.Thread(target=allocate).start()
met.wait()
libc.fopen.restype = ctypes.c_void_p
with tempfile.NamedTemporaryFile("r") as report:
    file = ctypes.c_void_p(libc.fopen(report.name.encode(), b"w"))
    libc.malloc_info(0, file)
    libc.fclose(file)
    print(report.read().count("<heap nr"))
met.wait()
"""


def counted(**environment: str) -> list[str]:
    others = {name: value for name, value in os.environ.items() if name != VARIABLE}
    done = subprocess.run(
        [sys.executable, "-c", COUNT], env=others | environment, capture_output=True, text=True, check=False
    )
    if "no glibc" in done.stderr:
        pytest.skip("needs glibc")
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_all_threads_of_the_server_allocate_from_one_arena() -> None:
    assert counted() == ["True", "1"]


def test_the_operator_may_say_otherwise() -> None:
    assert counted(**{VARIABLE: "3"}) == ["False", "3"]
