"""tools/repro: one line of progress over DVC, in a log and on a terminal; its status, its errors, its end."""

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.project import ROOT
from tests.terminal import Terminal

TABLE3 = "Table 3. Ours.\n\n| a |\n\nTable 3 in full. More.\n\n| b |\n"
SPLIT = """
print("Running stage 'split':\\n> python -m stages.split", flush=True)
say("data/split.csv: 0 of 4 batches")
say("data/split.csv: 1 of 4 batches, about 1 min left")
"""
SAVED = "print(\"Updating lock file 'dvc.lock'\\n\", flush=True)\n"
TRACK = "print('To track the changes with git, run:\\n\\n\\tgit add dvc.lock')\n"


class FakeDvc:
    """A DVC that runs `program`, in a project of nothing but reports; of its stages nothing is known."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "my faces"
        package = folder / "packages/dvc"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        self._main = package / "__main__.py"
        reports = self.folder / "reports"
        reports.mkdir(parents=True)
        (reports / "table3.md").write_text(TABLE3)
        (reports / "protection.json").write_text(json.dumps({"verdict": ["It does not.", "Not at all."]}))
        self.environment = os.environ | {"PYTHONPATH": f"{package.parent}{os.pathsep}{ROOT}"}

    def says(self, program: str) -> None:
        say = "def say(line): print(line, file=sys.stderr, flush=True)\n"
        self._main.write_text(f"import os, signal, subprocess, sys, time\n{say}{program}")

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "tools.repro", *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        command = self.command(*arguments)
        return subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True)

    def terminal(self, *arguments: str, size: tuple[int, int] = (24, 80)) -> Terminal:
        return Terminal(self.command(*arguments), self.folder, self.environment, size)


@pytest.fixture
def fake(tmp_path: Path) -> FakeDvc:
    return FakeDvc(tmp_path)


def test_a_log_has_whole_lines_and_the_results_follow(fake):
    fake.says(f"{SPLIT}say('note: an image was passed over')\n{SAVED}{TRACK}")
    done = fake.run()
    assert done.returncode == 0
    assert re.sub(r"took \d+ s", "took N s", done.stderr).splitlines() == [
        "0 stages · split",
        "note: an image was passed over",
        "1 stages · split took N s",
        "1 stages · 1 run, 0 were up to date",
    ]
    assert done.stdout == (
        "Table 3. Ours.\n\n| a |\n\nIt does not.\n\nNot at all.\n\nThe whole report: reports/index.html\n"
    )


def test_a_terminal_has_one_line_in_place(fake):
    fake.says(f"{SPLIT}time.sleep(0.5)\nsay('note: an image was passed over')\n{SAVED}{TRACK}")
    terminal = fake.terminal(size=(24, 30))
    status, output = terminal.end()
    assert status == 0 and output.startswith("Table 3.")
    assert terminal.lines == ["note: an image was passed over", "1 stages · 1 run, 0 were up to date"]
    passing = re.split("[\r\n]+", terminal.shown)
    assert "0 stages · split, 1 of 4 batch" not in passing and "0 stages · split, 1 of 4 batc" in passing


def test_a_terminal_of_no_known_width(fake):
    fake.says(SPLIT + SAVED)
    terminal = fake.terminal(size=(0, 0))
    assert terminal.end()[0] == 0
    assert "\r0 stages · split, 1 of 4 batches " in terminal.shown


ERRORS = [
    "error: params.yaml: attack.lambda: no number",
    "ERROR: failed to reproduce 'settings': failed to run: python -m stages.settings, exited with 1",
]


@pytest.mark.parametrize("on_terminal", [False, True])
def test_errors_stay_and_the_status_is_dvcs(fake, on_terminal):
    fake.says(
        "print(\"Running stage 'settings':\", flush=True)\n"
        + "".join(f"say({e!r})\n" for e in ERRORS)
        + "sys.exit(255)"
    )
    if on_terminal:
        terminal = fake.terminal()
        status, output = terminal.end()
        errors = terminal.lines
    else:
        done = fake.run()
        status, output, errors = done.returncode, done.stdout, done.stderr.splitlines()
    assert (status, output) == (255, "")
    assert errors[-3:] == [*ERRORS, "0 stages · stopped in settings"]


def test_what_a_later_dvc_says_is_shown(fake):
    fake.says("print('Stage split: now at work')\nprint('All good')")
    done = fake.run()
    assert done.returncode == 0
    assert done.stderr.splitlines() == ["Stage split: now at work", "All good", "0 stages · 0 run, 0 were up to date"]


def test_arguments_reach_dvc(fake):
    fake.says("print(sys.argv[1:])")
    assert "['repro', '--force', 'a stage']" in fake.run("--force", "a stage").stderr
    assert "['exp', 'run', '-S', 'a=1']" in fake.run("--exp", "-S", "a=1").stderr


# A stage that holds a lock as long as it lives, and a DVC that waits for it and ignores Ctrl-C meanwhile.
WAITING = '''
program = """
import fcntl, time
file = open("lock", "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("ready", flush=True)
time.sleep(100)
"""
print("Running stage 'split':", flush=True)
stage = subprocess.Popen([sys.executable, "-c", program])
signal.signal(signal.SIGINT, signal.SIG_IGN)
status = stage.wait()
say(f"ERROR: failed with {status}")
sys.exit(255)
'''


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 255), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_what_stops_it_stops_dvc_and_its_stage(fake, number, status):
    fake.says(WAITING)
    terminal = fake.terminal()
    terminal.read(until="ready")
    # As a terminal does at Ctrl-C: to its own group, in which DVC is not.
    os.killpg(terminal.process.pid, number)
    assert terminal.end() == (status, "")
    # No word of how they died.
    assert terminal.lines == ["ready", "0 stages · stopped in split"]
    before = time.monotonic()
    with open(fake.folder / "lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
    assert time.monotonic() - before < 30


def test_what_outlives_dvc_is_not_waited_for(fake):
    fake.says("subprocess.Popen(['sleep', '60'])")
    before = time.monotonic()
    assert fake.run().returncode == 0
    assert time.monotonic() - before < 30


@pytest.fixture(scope="module")
def project(built, tmp_path_factory):
    """A copy of the built project in a folder whose name has a blank."""
    return built.copied(tmp_path_factory.mktemp("copies") / "my faces (1)")


@pytest.fixture
def stages(project):
    """How many stages the pipeline has."""
    return len(YAML(typ="safe").load(project.folder / "dvc.lock")["stages"])


def test_a_run_with_nothing_to_do(project, stages):
    output = project.tool("repro")
    assert f"{stages} of {stages} stages · 0 run, {stages} were up to date\nTable 3. P-FGVM" in output
    assert " took " not in output
    assert "Whether a recogniser that the attacks were not made for" in output
    assert output.endswith("The whole report: reports/index.html\n")
    assert "Table 3 in full" not in output


def test_a_run_with_something_to_do(project, stages):
    (project.folder / ".dvc/tmp/stage_seconds.json").unlink(missing_ok=True)
    project.edit("reports/page/style.css", "\nbody {", "\nbody { color: red;")
    output = project.tool("repro")
    for line in (
        f"{stages - 1} of {stages} stages · page",
        rf"{stages} of {stages} stages · page took \d+ s",
        f"{stages} of {stages} stages · 1 run, {stages - 1} were up to date",
    ):
        assert re.search(f"^{line}$", output, re.MULTILINE)
    kept = json.loads((project.folder / ".dvc/tmp/stage_seconds.json").read_text())
    [[seconds]] = [list(stages.values()) for stages in kept.values()]
    assert 0 < seconds < 200
    assert "color: red;" in (project.folder / "reports/index.html").read_text("utf-8")
    assert project.git("status", "--short", "--untracked-files=all", ".dvc") == ""
    project.restore()


def test_an_experiment(project, stages):
    project.edit("reports/page/style.css", "\nbody {", "\nbody { color: blue;")
    output = project.tool("repro", "--exp")
    assert re.search(rf"^{stages} of {stages} stages · page took \d+ s$", output, re.MULTILINE)
    assert "Experiment results have been applied to your workspace." in output and "Table 3." in output
    project.restore()


def test_a_part_of_the_pipeline(project):
    output = project.tool("repro", "--force", "--single-item", "score@A-i_fgsm")
    # Nothing was made that Table 3 shows.
    assert output.splitlines()[-1] == "1 of 1 stages · 1 run, 0 were up to date"
    assert project.tool("repro", "train@A").splitlines()[-1] == "4 of 4 stages · 0 run, 4 were up to date"


def test_a_wrong_setting(project, stages):
    project.set(**{"attack.i_fgsm.epsilon": -1})
    output = project.tool("repro", succeeds=False)
    assert re.search("^error: params.yaml: setting attack.i_fgsm.epsilon", output, re.MULTILINE)
    assert re.search("^ERROR: failed to reproduce 'settings'", output, re.MULTILINE)
    assert output.endswith(f"0 of {stages} stages · stopped in settings\n") and "Table 3" not in output
    project.restore()


@pytest.mark.long
def test_a_stopped_run_goes_on_where_it_was(project):
    # So that the second of two batches takes a while.
    project.set(**{"attack.i_fgsm.iterations": 400})
    command = [sys.executable, "-m", "tools.repro", "attack@A-i_fgsm"]
    stopped = Terminal(command, project.folder, project.environment)
    stopped.read(until="1 of 2 batches")
    os.killpg(stopped.process.pid, signal.SIGINT)
    assert stopped.end() == (255, "")
    assert stopped.lines[-1] == "4 of 5 stages · stopped in attack@A-i_fgsm"
    again = Terminal(command, project.folder, project.environment)
    assert again.end() == (0, "")
    assert "0 of 2 batches" not in again.shown and "2 of 2 batches" in again.shown
    assert again.lines[-1] == "5 of 5 stages · 1 run, 4 were up to date"
    project.restore()
