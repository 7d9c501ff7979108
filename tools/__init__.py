"""Command line tools outside the pipeline."""

import stages  # noqa: F401  # sets the waiting of PyTorch's threads before PyTorch is loaded
