"""Starts WhisperLiveKit; runs in the peers' environment. Arguments are those of ``whisperlivekit-server``."""

import faster_whisper
from multilingual import tell

if __name__ == "__main__":
    tell(faster_whisper.WhisperModel)
    from whisperlivekit.basic_server import main  # only now: it takes the class that was told

    main()
