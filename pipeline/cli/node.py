"""A node of a cluster as a process of its own: started by ``yuetone serve --nodes``.

python -m pipeline.cli.node NODE.json
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from pipeline.cli.logs import configure_logs
from pipeline.cli.memory import use_one_arena
from pipeline.config import load_settings
from pipeline.errors import YuetoneError
from pipeline.rpc.node import NodeSettings, run


def main() -> None:
    """Run one node."""
    told = NodeSettings.model_validate_json(Path(sys.argv[1]).read_text("utf-8"))
    if told.core is not None:
        os.sched_setaffinity(0, {told.core})
    use_one_arena()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    try:
        configure_logs(load_settings(told.config, told.flags).log)
        asyncio.run(run(told))
    except YuetoneError as error:
        sys.exit(f"yuetone: {error}")


if __name__ == "__main__":
    main()
