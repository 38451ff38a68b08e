"""What a console refuses."""

from __future__ import annotations


class ConsoleError(Exception):
    """The console cannot do what is asked; the message is for people."""


class ConsoleSettingsError(ConsoleError):
    """A setting of the console is wrong; the message names it and what to do."""
