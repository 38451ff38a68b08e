"""The service: gRPC edge, one call's session, the shared inference pool, and the command line."""
