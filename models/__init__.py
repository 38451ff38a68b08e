"""What a model is on disk: its declaration, its name in the registry, its source, the one that is promoted.

Importing this package turns off onnxruntime's telemetry, which otherwise keeps a device id in the user's
cache folder and looks up a host of its maker. That must be in force before onnxruntime is imported for the
first time, so every package of ours that loads it, or a library that does, imports this one first. Whoever
wants the telemetry sets ``ORT_DISABLE_TELEMETRY=0``.
"""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from models.errors import ModelError

__all__ = ["ModelError"]
