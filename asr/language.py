"""BCP 47 tags and Whisper's language codes."""

from __future__ import annotations


def whisper_code(tag: str) -> str:
    """Return the Whisper code for a tag: yue-HK and zh-HK are yue, en-GB is en."""
    parts = tag.lower().split("-")
    return "yue" if parts[0] == "zh" and ("hk" in parts or "yue" in parts) else parts[0]
