"""What the engineer can mend."""

from __future__ import annotations


class FinetuneError(Exception):
    """A step cannot go on; the message is one line and names the fix."""
