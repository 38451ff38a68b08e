"""What every trainable model of the product shares: folders, manifest, split, statistics, reports, gates."""
