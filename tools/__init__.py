"""Programs for people, outside the pipeline."""

import stages  # noqa: F401  # its setting of PyTorch's threads, before PyTorch is loaded
