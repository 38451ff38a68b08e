"""Tells faster-whisper that a model is multilingual; runs in the peers' environment.

CTranslate2 takes models it does not recognise for English-only, and faster-whisper then leaves out the
language. With it the peers write better text, so they get it.
"""

from __future__ import annotations

from typing import Any


class Multilingual:
    """A CTranslate2 model that says so."""

    is_multilingual = True

    def __init__(self, model: Any) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def tell(whisper_model_class: Any) -> None:
    """Make every model of a faster-whisper class multilingual."""
    load = whisper_model_class.__init__

    def loaded(self: Any, *arguments: Any, **options: Any) -> None:
        load(self, *arguments, **options)
        self.model = Multilingual(self.model)

    whisper_model_class.__init__ = loaded
