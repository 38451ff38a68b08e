"""Starts WhisperLive; runs in the peers' environment.

python serve_whisperlive.py MODEL PORT [batch]
"""

import sys

from multilingual import tell
from whisper_live.server import TranscriptionServer
from whisper_live.transcriber.transcriber_faster_whisper import WhisperModel

if __name__ == "__main__":
    tell(WhisperModel)
    TranscriptionServer().run(
        "127.0.0.1",
        int(sys.argv[2]),
        backend="faster_whisper",
        faster_whisper_custom_model_path=sys.argv[1],
        single_model=True,
        max_clients=1000,
        max_connection_time=36_000,
        batch_enabled="batch" in sys.argv[3:],
        batch_max_admissions_per_s=1000.0,
        batch_max_queue_wait_s=1000.0,
    )
