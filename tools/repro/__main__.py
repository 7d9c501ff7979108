"""Run the pipeline, with one line that says how far it is: python -m tools.repro [options of dvc repro] [stages].

On a terminal the line stays in place; in a log it comes when a stage starts or ends, and every half minute. Warnings
and errors of DVC and of the stages appear as they are, the exit status is DVC's, and a run that succeeds ends with its
results (tools/results.py). --exp: `dvc exp run` instead of `dvc repro`.
"""

import argparse
import contextlib
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pfgvm.errors import InputError
from pfgvm.faces.disk import check_that_dvc_can_hash
from stages.common.program import read_settings
from stages.common.progress import EVERY_STEP
from tools.repro.pipeline_run import PipelineRun
from tools.repro.screens import Log, Terminal
from tools.repro.stage_seconds import StageSeconds
from tools.results import print_results

EXTERNAL = Path("data/external")


def main() -> int:
    """Run DVC as the command line says; returns its exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--exp", action="store_true")
    ours, arguments = parser.parse_known_args()
    words = [*(["exp", "run"] if ours.exp else ["repro"]), *arguments]
    try:
        check_folders()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    with started([sys.executable, "-m", "dvc", *words]) as (dvc, stopped_by):
        # While DVC starts.
        stages, seconds = planned(words), StageSeconds()
        run = PipelineRun(stages, seconds.own, seconds.reference(stages), seconds.keep)
        status = follow(dvc, stopped_by, run, Terminal() if sys.stderr.isatty() else Log())
    if status == 0 and (not stages or "page" in stages):
        print_results()
    return status


def check_folders() -> None:
    """Raise InputError where DVC cannot hash a folder that users fill: it would stop with words of its own."""
    folders = [EXTERNAL]
    # What is wrong with the settings the stage of that name says.
    with contextlib.suppress(InputError):
        settings = read_settings()
        folders += [Path(settings.data.root), Path(settings.evaluation.root)]
    for folder in folders:
        if folder.is_dir():
            check_that_dvc_can_hash(folder)


def planned(words: Sequence[str]) -> list[str]:
    """The stages that `dvc` looks at when called with `words`; none where they cannot be told."""
    # DVC itself, which runs beside this, says what is wrong.
    logging.disable()
    with contextlib.suppress(Exception, SystemExit), contextlib.redirect_stderr(None):
        from dvc.cli import parse_args
        from dvc.repo import Repo
        from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro

        asked = parse_args(words)
        with Repo() as repo:
            stages = collect_stages(repo, asked.targets or ["dvc.yaml"], asked.recursive)
            if not asked.single_item:
                graph = get_active_graph(repo.index.graph)
                stages = plan_repro(graph, stages, asked.pipeline, asked.downstream)
            return [stage.addressing for stage in stages]
    return []


@contextlib.contextmanager
def started(command: Sequence[str]) -> Iterator[tuple[subprocess.Popen, list[int]]]:
    """`command` at work, its words in one pipe; signals that would stop this process stop it and all that it started.

    With it comes the list of these signals, empty as yet.
    """
    stopped_by: list[int] = []
    # Stage commands say `python`, and DVC does not put its own environment on PATH.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env=os.environ | {"PATH": path, EVERY_STEP: "1"},
        process_group=0,
    )

    def stop(number: int, _: object = None) -> None:
        stopped_by.append(number)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # As nohup has it.
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, stop)
    try:
        yield process, stopped_by
    finally:
        if process.poll() is None:
            stop(signal.SIGTERM)


def follow(dvc: subprocess.Popen, stopped_by: list[int], run: PipelineRun, screen: Terminal | Log) -> int:
    """Show on `screen` how far `run` is, and what else `dvc` says, until it has ended; returns its exit status."""
    for line in _lines(dvc):
        now = time.monotonic()
        # Whoever stops it need not read how each of its processes took it.
        if not run.read(line, now) and not stopped_by:
            screen.say(line)
        screen.show(run.text(now), run.news())
    status = dvc.wait()
    screen.say(run.summary(time.monotonic(), status == 0))
    # As a shell has it for what a signal has ended.
    return status if status >= 0 else 128 - status


def _lines(process: subprocess.Popen) -> Iterator[str]:
    """What `process` prints, line by line, and an empty one after each second of silence."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def listen() -> None:
        for line in process.stdout:
            lines.put(line.rstrip())
        lines.put(None)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=1)
        except queue.Empty:
            # What outlives the process may hold the pipe open.
            line = "" if process.poll() is None else None
        if line is None:
            return
        yield line


if __name__ == "__main__":
    sys.exit(main())
