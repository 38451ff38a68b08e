"""From a folder of calls to a promoted model: prepare, validate, split, train, evaluate, export, promote."""

import models  # noqa: F401 (turns onnxruntime's telemetry off before anything imports it)
