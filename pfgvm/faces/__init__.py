"""Face images: sources, subset and split, decoding and resizing."""
