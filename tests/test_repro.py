"""tools.repro in a small DVC repository: DVC's status and output, numbered stages, results and signals."""

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.project import ROOT
from tests.terminal import Terminal

COMMAND = [sys.executable, "-m", "tools.repro"]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "GIT_CONFIG_GLOBAL": os.devnull}
STAGES = {
    "one": {"cmd": "echo 1 > one.txt", "outs": ["one.txt"]},
    "page": {"cmd": "python -c 'import sys; print(sys.executable, sys.stderr.isatty())'", "deps": ["one.txt"]},
    "fail": {"cmd": "python -c 'exit(f\"cause {1 + 1}\")'"},
    # Locks a file until its end.
    "hold": {"cmd": "python hold.py; true"},
}
HOLD = """
import fcntl, sys, time
file = open("lock", "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("ready", file=sys.stderr, flush=True)
time.sleep(100)
"""


@pytest.fixture
def repro(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess]:
    """Run the command in `tmp_path`, a DVC repository with the reports of an earlier run."""
    for name, text in {
        ".dvc/config": "[core]\nanalytics = false\n",
        ".gitignore": ".dvc/tmp",
        "hold.py": HOLD,
        "reports/table3.md": "Table 3. Ours.\n\nTable 3 in full.",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return lambda *options: subprocess.run(
        [*COMMAND, *options], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True
    )


def write_stages(folder: Path, *names: str) -> None:
    (folder / "dvc.yaml").write_text(json.dumps({"stages": {name: STAGES[name] for name in names}}))


def numbered(output: str) -> list[str]:
    return re.findall(r"^stage (\d of \d: \w+)$", output, re.MULTILINE)


def test_stages_that_run_are_numbered_and_the_results_follow(repro, tmp_path):
    write_stages(tmp_path, "one", "page")
    done = repro()
    assert (done.returncode, done.stderr) == (0, "")
    assert numbered(done.stdout) == ["1 of 2: one", "2 of 2: page"]
    assert f"{sys.executable} False" in done.stdout
    assert "Table 3. Ours." in done.stdout and "in full" not in done.stdout
    part = repro("one")
    assert part.returncode == 0 and numbered(part.stdout) == [] and "Table 3" not in part.stdout


def test_an_experiment(repro, tmp_path):
    write_stages(tmp_path, "one", "page")
    for command in ("git add .", "git -c user.name=a -c user.email=a@localhost commit --quiet --message=state"):
        subprocess.run(command.split(), cwd=tmp_path, check=True)
    done = repro("--exp", "--name", "first")
    assert done.returncode == 0 and numbered(done.stdout) == ["1 of 2: one", "2 of 2: page"]
    assert "first" in done.stdout and "Table 3" in done.stdout


def test_stages_have_the_terminal(repro, tmp_path):
    write_stages(tmp_path, "one", "page")
    status, output = Terminal(COMMAND, tmp_path, ENVIRONMENT).end()
    assert status == 0 and f"{sys.executable} True" in output


def test_a_failure_is_shown_once_and_the_status_is_dvcs(repro, tmp_path):
    write_stages(tmp_path, "fail")
    done = repro()
    assert done.returncode == 255 and "Table 3" not in done.stdout
    assert done.stderr.count("cause 2") == done.stderr.count("exited with 1") == 1
    assert repro("--no-such-option").returncode == 254


def test_a_folder_that_dvc_cannot_hash_stops_it_first(repro, tmp_path):
    write_stages(tmp_path, "one")
    (tmp_path / "data/external").mkdir(parents=True)
    (tmp_path / "data/external/gone").symlink_to("nowhere")
    done = repro()
    assert done.returncode == 1 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and "data/external/gone" in done.stderr


@pytest.mark.parametrize("send, number, status", [(os.killpg, signal.SIGINT, 255), (os.kill, signal.SIGTERM, 143)])
def test_signals_end_the_stage(repro, tmp_path, send, number, status):
    write_stages(tmp_path, "hold")
    terminal = Terminal(COMMAND, tmp_path, ENVIRONMENT)
    terminal.read(until="ready")
    send(terminal.process.pid, number)
    assert terminal.end()[0] == status
    with open(tmp_path / "lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
