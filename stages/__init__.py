"""The pipeline's programs: settings and paths in, one library call, files out."""

import os

# Threads of PyTorch that wait for others spin meanwhile, by default for milliseconds, and take the processor from
# whatever else runs. It is read when PyTorch is loaded, so it stands here, before any program (README: Speed).
if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
    os.environ["GOMP_SPINCOUNT"] = "20000"
