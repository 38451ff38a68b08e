"""Who speaks when within a few seconds: training of the segmentation network."""
