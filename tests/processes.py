"""Programs of ours in processes of their own that begin with the libraries already imported.

Importing torch and transformers costs five seconds of processor time, the command line one; tests start such
programs some hundred times. A server process per test worker imports them once and forks
(:mod:`multiprocessing`, ``forkserver``); the fork runs the program as its own process would.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
from functools import lru_cache
from multiprocessing.context import ForkServerContext
from pathlib import Path
from tempfile import TemporaryDirectory

import pipeline.cli

for _name in pipeline.cli.COMMANDS:  # a command is loaded when it is called: here all, once for all forks
    pipeline.cli.LoadedCommands().get_command(None, _name)

ROOT = Path(__file__).resolve().parents[1]
PRELOADED = (
    "tests.processes",
    "scripts.finetune.commands.data",
    "scripts.finetune.commands.live",
    "scripts.finetune.commands.model",
    "scripts.finetune.bundled.train",
    "scripts.finetune.recogniser.export",
    "scripts.finetune.recogniser.training",
    "scripts.finetune.shorten.step",
    "scripts.finetune.tiny.train",
    "peft.tuners.tuners_utils",
)


def run_program(
    name: str,
    *arguments: object,
    cwd: Path = ROOT,
    env: dict[str, str] | None = None,
    timeout: float = 300,
) -> subprocess.CompletedProcess[str]:
    """Run a program with its arguments and return what came of it.

    Args:
        name: ``yuetone``, or a module that is run as ``python -m`` does.
        arguments: made into text.
        cwd: the folder in which it runs.
        env: variables beside those of this process.
        timeout: seconds until it is ended.

    Raises:
        subprocess.TimeoutExpired: when it took longer.
    """
    command = [name, *map(str, arguments)]
    with TemporaryDirectory(prefix="yuetone-run-") as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        process = _server().Process(target=_run, args=(command, cwd, {**os.environ, **(env or {})}, out, err))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(command, timeout)
        code = process.exitcode
        process.close()
        return subprocess.CompletedProcess(command, code, out.read_text("utf-8"), err.read_text("utf-8"))


@lru_cache(maxsize=1)
def _server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    return context


def _run(command: list[str], cwd: Path, env: dict[str, str], out: Path, err: Path) -> None:
    """Become the program: its output, folder, variables and arguments."""
    for stream, path in ((1, out), (2, err)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, stream)
        os.close(file)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = list(command)
    if command[0] == "yuetone":
        pipeline.cli.main()
    else:
        runpy.run_module(command[0], run_name="__main__", alter_sys=True)
