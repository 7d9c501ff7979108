"""The setup of a program's process: deterministic results, and no side effects in a library's caller."""

import ctypes
import subprocess
import sys

import pytest

from tests.project import ROOT

SET_UP = """
import os, torch
from stages.networks.computing import configure_device
torch.backends.cudnn.benchmark = True
assert configure_device("cpu") == torch.device("cpu")
assert torch.are_deterministic_algorithms_enabled()
# cuBLAS needs it for determinism.
assert os.environ["CUBLAS_WORKSPACE_CONFIG"] in (":4096:8", ":16:8")
assert not torch.backends.cudnn.benchmark
assert not torch.backends.cudnn.allow_tf32 and not torch.backends.cuda.matmul.allow_tf32
assert torch.get_float32_matmul_precision() == "highest"
# torch.export requires the same setting for convolutions and recurrent layers.
assert torch.backends.cudnn.conv.fp32_precision == torch.backends.cudnn.rnn.fp32_precision
torch.export.export(torch.nn.Conv2d(3, 4, 3).eval(), (torch.rand(1, 3, 8, 8),))
"""


def program(text: str, *arguments: str) -> str:
    command = [sys.executable, "-c", text, *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def test_a_process_computes_deterministically_in_full_float32():
    program(SET_UP)


@pytest.mark.parametrize(
    ("environment", "count"), [({}, "20000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, "none")]
)
def test_waiting_threads_give_way_unless_the_user_says_otherwise(environment, count, monkeypatch):
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for package in ("stages", "tools"):
        output = program(
            f"import {package}, os, sys; print(os.environ.get('GOMP_SPINCOUNT', 'none'), 'torch' in sys.modules)"
        )
        assert output.split() == [count, "False"]


# The growth of the process's heap, in bytes, after a tensor of 64 MB was created and freed.
HEAP = """
import ctypes, sys, torch
from stages.networks.computing import configure_device
if sys.argv[1] == "configured":
    configure_device("cpu")
class Info(ctypes.Structure):
    _fields_ = [("arena", ctypes.c_size_t), ("others", ctypes.c_size_t * 9)]
mallinfo2 = ctypes.CDLL(None).mallinfo2
mallinfo2.restype = Info
before = mallinfo2().arena
torch.ones(2**26, dtype=torch.uint8)
print(mallinfo2().arena - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="needs glibc")
def test_the_memory_of_a_large_tensor_stays_with_the_process():
    def growth(how: str) -> int:
        return int(program(HEAP, how))

    assert growth("as it is") < 2**20 < 2**25 < growth("configured")
