"""The service: gRPC edge, one call's session, the shared inference pool, and the command line."""

import models  # noqa: F401 (turns onnxruntime's telemetry off before anything imports it)
