"""Everything that is not live: pages, commands, files."""
