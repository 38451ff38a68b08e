"""Synthetic local recordings, to rehearse the whole chain without anybody's speech."""
