"""Who spoke: error rates, roles, latency and cost."""
