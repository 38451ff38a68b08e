"""Speed, memory and accuracy, measured: see docs/benchmarks.md."""

import models  # noqa: F401 (turns onnxruntime's telemetry off before anything imports it)
