"""A Python that starts quickly: programs run in forks of a process that has loaded the large packages.

Loading PyTorch takes longer than most stages of the tests' small pipeline. `WarmPython` starts that process and writes
a `python` for PATH, whose programs run in its forks with the caller's folder, variables, files, signals and project
code. Other uses (another number of threads, `python -c`) start a usual Python.
"""

import array
import atexit
import contextlib
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import traceback
from pathlib import Path

PACKAGES = (
    "torch", "torchvision.transforms.functional", "pandas", "scipy.ndimage", "scipy.spatial.distance", "cv2",
    "PIL.Image", "matplotlib.figure", "seaborn", "pydantic", "ruamel.yaml", "safetensors.torch", "onnx", "onnxruntime",
    "skimage.metrics", "sklearn.linear_model", "sklearn.pipeline", "jinja2", "dvc.cli", "dvc.commands.repro",
)  # fmt: skip
# Read when the packages are loaded; programs with other values start a usual Python.
THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
CLIENT = """#!{python} -IS
import array, json, os, signal, socket, sys

arguments, environment = sys.argv[1:], dict(os.environ)
suits = arguments and (arguments[0] == "-m" or arguments[0].endswith(".py"))
warm = socket.socket(socket.AF_UNIX)
try:
    if not suits or environment.get("OMP_NUM_THREADS") != "1":
        raise OSError
    warm.connect("{address}")
except OSError:
    os.execv("{python}", ["{python}", *arguments])
asked = json.dumps([arguments, os.getcwd(), environment]).encode()
signals = {signals}
signal.pthread_sigmask(signal.SIG_BLOCK, signals)
ignored = [number for number in signals if signal.getsignal(number) == signal.SIG_IGN]
warm.sendmsg([len(asked).to_bytes(8, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])
warm.sendall(asked)
for number in signals:
    if number not in ignored:
        signal.signal(number, lambda number, frame: warm.send(bytes([number])))
signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
status = int.from_bytes(warm.recv(4), "big", signed=True)
if status < 0:
    signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
os._exit(status)
"""


class WarmPython:
    """A process that has loaded PACKAGES, and `folder`/bin with a `python` that runs programs in its forks."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir()
        address = str(folder / "socket")
        numbers = [int(number) for number in SIGNALS]
        client = self.bin / "python"
        client.write_text(CLIENT.format(python=sys.executable, address=address, signals=numbers))
        client.chmod(0o755)
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(address)
        listening.listen(64)
        # This end of the socket closes whenever and however this process ends.
        ours, theirs = socket.socketpair()
        self._alive = ours
        files = (listening.fileno(), theirs.fileno())
        self._process = subprocess.Popen(
            [sys.executable, __file__, *map(str, files)], env=os.environ | THREADS, pass_fds=files
        )
        atexit.register(self.stop)

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


def _serve(listening: socket.socket, parent: socket.socket) -> None:
    for name in PACKAGES:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        ready, _, _ = select.select([listening, parent], [], [])
        if parent in ready:
            return
        connection, _ = listening.accept()
        if not os.fork():
            listening.close()
            parent.close()
            _handle(connection)
        connection.close()


def _handle(connection: socket.socket) -> None:
    """Run the requested program in another fork, forward signals to it, and return its status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    length, (files,), _, _ = connection.recvmsg(8, socket.CMSG_SPACE(12))
    request = b""
    while len(request) < int.from_bytes(length, "big"):
        request += connection.recv(2**20)
    program = os.fork()
    if not program:
        connection.close()
        _run(array.array("i", files[2]), *json.loads(request))
    for file in array.array("i", files[2]):
        os.close(file)
    ended = os.pidfd_open(program)
    while ended not in select.select([connection, ended], [], [])[0]:
        signals = connection.recv(64)
        for number in signals or [signal.SIGKILL]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(program, number)
        if not signals:
            break
    status = os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])
    with contextlib.suppress(OSError):
        connection.sendall(status.to_bytes(4, "big", signed=True))
    os._exit(0)


def _run(files: array.array, arguments: list[str], folder: str, environment: dict[str, str]) -> None:
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, (name, errors) in enumerate(
        (("stdin", "strict"), ("stdout", "strict"), ("stderr", "backslashreplace"))
    ):
        lines = 1 if name == "stderr" or os.isatty(number) else -1
        mode = "w" if number else "r"
        setattr(sys, name, os.fdopen(number, mode, lines, encoding="utf-8", errors=errors, closefd=False))
    paths = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    if arguments[0] == "-m":
        sys.argv, run = arguments[1:], lambda: runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        sys.path[0:1] = [folder, *paths]
    else:
        sys.argv, run = arguments, lambda: runpy.run_path(arguments[0], run_name="__main__")
        sys.path[0:1] = [os.path.dirname(os.path.abspath(arguments[0])), *paths]
    status = 0
    try:
        run()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else bool(end.code)
        if not isinstance(end.code, int | None):
            print(end.code, file=sys.stderr)
    except BaseException as error:
        traceback.print_exc()
        status = 1
        if isinstance(error, KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
    atexit._run_exitfuncs()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    os._exit(status)


if __name__ == "__main__":
    _serve(*(socket.socket(fileno=int(number)) for number in sys.argv[1:]))
