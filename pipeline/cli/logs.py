"""Structured logs: ids, counts and durations; never speech, names or numbers of a call."""

from __future__ import annotations

import logging
import sys
import traceback

import structlog

from pipeline.config import LogSettings


def configure_logs(settings: LogSettings) -> None:
    """Write logs of the given level to standard error, as JSON lines or for a terminal."""
    level = getattr(logging, settings.level.upper())
    as_json = settings.format == "json" or (settings.format == "auto" and not sys.stderr.isatty())
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False) if as_json else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    _configure_libraries(renderer, max(level, logging.WARNING))


def _configure_libraries(renderer: structlog.types.Processor, level: int) -> None:
    """Let what libraries log, and Python's warnings, look like our own lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.processors.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                _without_traceback,
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=level, handlers=[handler])
    logging.captureWarnings(True)


def _without_traceback(
    _logger: object, _method: str, event: structlog.types.EventDict
) -> structlog.types.EventDict:
    """Say what was raised and where, in the line itself: a traceback is many lines, and may show values."""
    record: logging.LogRecord = event["_record"]
    if record.exc_info and record.exc_info[0] is not None:
        kind, _error, trace = record.exc_info
        places = traceback.extract_tb(trace)
        event["error"] = kind.__name__
        event["where"] = f"{places[-1].filename}:{places[-1].lineno}" if places else ""
    record.exc_info = record.exc_text = record.stack_info = None
    event.pop("exc_info", None)
    return event
