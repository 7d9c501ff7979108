"""The pipeline's programs: settings and paths in, one library call, files out."""

import os

# By default, PyTorch's waiting threads spin for milliseconds and slow every other process. PyTorch reads this variable
# when it is loaded, so it is set here, before any program runs (docs/speed.md).
if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
    os.environ["GOMP_SPINCOUNT"] = "20000"
