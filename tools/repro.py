"""Run a pipeline: python -m tools.repro [--exp] [options of dvc repro] [targets].

DVC runs in this process, with its own output and exit status; the running stages are numbered. A run that includes a
pipeline's page ends with the results. --exp: `dvc exp run` instead of `dvc repro`.
"""

import contextlib
import os
import signal
import sys
from pathlib import Path

import psutil
from dvc import cli
from dvc.repo import reproduce
from dvc.stage import PipelineStage, run

from pfgvm.errors import InputError
from pfgvm.faces.disk import check_that_dvc_can_hash
from stages.common.program import read_settings
from tools.results import print_evaluation, print_results


def main(arguments: list[str]) -> int:
    """Run DVC with the command line `arguments`; returns its exit status."""
    try:
        check_folders()
    except InputError as error:
        sys.exit(f"error: {error}")
    # Stage commands call `python`. DVC does not put its own environment on PATH.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    signal.signal(signal.SIGTERM, stop)
    plan: list[str] = []
    # Another version of DVC may lack the functions.
    with contextlib.suppress(AttributeError):
        number_stages(plan)
    command = ["exp", "run"] if "--exp" in arguments else ["repro"]
    status = cli.main([*command, *(word for word in arguments if word != "--exp")])
    if status == 0 and "page" in plan:
        print_results()
    if status == 0 and "stages/evaluation/dvc.yaml:page" in plan:
        print_evaluation()
    return status


def check_folders() -> None:
    """Raise InputError for a user's folder that DVC cannot hash; the stage `settings` reports wrong settings."""
    folders = [Path("data/external")]
    with contextlib.suppress(InputError):
        settings = read_settings()
        folders += [Path(settings.data.root), Path(settings.evaluation.root)]
    for folder in filter(Path.is_dir, folders):
        check_that_dvc_can_hash(folder)


def stop(number: int, _: object) -> None:
    """Terminate the running stage, which would outlive DVC, and exit with 128 plus the signal's `number`."""
    processes = psutil.Process().children(recursive=True)
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    psutil.wait_procs(processes, timeout=10)
    sys.exit(128 + number)


def number_stages(plan: list[str]) -> None:
    """Wrap two functions of DVC, which has no hooks, to list its stages in `plan` and to number the running ones."""
    planned, started = reproduce._reproduce, run.cmd_run

    def record(stages: list[PipelineStage], *arguments: object, **options: object) -> list[PipelineStage]:
        plan.extend(stage.addressing for stage in stages)
        return planned(stages, *arguments, **options)

    def number(stage: PipelineStage, *arguments: object, **options: object) -> None:
        run.logger.info("stage %d of %d: %s", plan.index(stage.addressing) + 1, len(plan), stage.addressing)
        started(stage, *arguments, **options)

    reproduce._reproduce, run.cmd_run = record, number


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
