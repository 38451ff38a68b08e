"""After a call: its recording is heard once more by a slower and better engine."""
