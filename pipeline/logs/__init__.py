"""CallLog and CallDirectory: in the memory of one process."""
