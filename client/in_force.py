"""What the controls of a call have come to: needed to begin it anew in the middle. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from yuetone.v1 import audio_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """What is in force behind a number of controls.

    Attributes:
        pause: the Pause that nothing has ended; None while the server hears.
        language: of the last update; None if there was none.
        hotwords: of the last update; None if there was none.
        swapped: the roles of the two channels are exchanged.
    """

    pause: audio_pb2.Control | None = None
    language: str | None = None
    hotwords: tuple[str, ...] | None = None
    swapped: bool = False

    def behind(self, control: audio_pb2.Control) -> InForce:
        """Return what is in force behind one control more."""
        match control.WhichOneof("control"):
            case "pause":
                return replace(self, pause=control)
            case "resume":
                return replace(self, pause=None)
            case "update_config":
                return self._updated(control.update_config)
        return self

    def _updated(self, update: audio_pb2.UpdateConfig) -> InForce:
        words = tuple(word.text for word in update.hotwords.hotwords)
        return replace(
            self,
            language=update.language_hint if update.HasField("language_hint") else self.language,
            hotwords=words if update.HasField("hotwords") else self.hotwords,
            swapped=self.swapped != update.swap_roles,
        )
