"""The stages of a call, one file each: ingest, segment, transcribe, attribute."""
