"""A copy of the project that can be run, at a scale of seconds per stage."""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter
from pathlib import Path
from typing import ClassVar

from dvc.repo import Repo
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
TINY = {
    "threads": 1,
    "data.image_size": [48, 40],
    "subset.persons": 3,
    "subset.images_per_person": 7,
    "train.batch_size": 4,
    "train.A.epochs": 2,
    "train.B.epochs": 3,
    "attack.p_fgvm.iterations": 3,
    "attack.i_fgvm.iterations": 2,
    "attack.i_fgsm.iterations": 2,
    "attack.images_per_person": 2,
    "attack.batch_size": 4,
    "attack.p_fgvm_noise.images": 2,
    "attack.p_fgvm_features.iterations": 2,
    "attack.p_fgvm_shape.iterations": 2,
    "attack.p_fgvm_shape.views": 1,
    "attack.ddn.iterations": 5,
    "attack.fmn.iterations": 5,
    "attack.cw_l2.search_steps": 1,
    "attack.cw_l2.iterations": 5,
    "attack.k_same.k": 2,
    "evaluation.calibration.persons": 9,
    "evaluation.calibration.images_per_person": 12,
    "evaluation.curves.images": 3,
    "evaluation.curves.lambda": [0.05, 2.0],
}


class Project:
    """The project's files in `folder`, in a separate Git repository, with tiny settings.

    pythons: the folder of the `python` for all programs; with tests.warm, one that starts quickly.
    """

    pythons: ClassVar[Path] = Path(sys.executable).parent

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def made(cls, folder: Path, settings: dict = TINY) -> "Project":
        """Create a project in the empty `folder`."""
        project = cls(folder)
        listed = project._run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT).stdout
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file() and not name.endswith("dvc.lock"):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / name)
        project.set(**settings)
        project._run("git", "init", "--quiet")
        project.commit()
        return project

    def build(self, *files: str) -> None:
        """Run all stages of the pipelines `files`, two in parallel, and record them in DVC once.

        Faster than `dvc repro`, which rewrites its lock file after each stage.
        """
        with contextlib.chdir(self.folder), Repo() as repo, ThreadPoolExecutor(2) as pool:
            stages = {stage.addressing: stage for stage in repo.index.stages if stage.relpath in files}
            waiting = TopologicalSorter({name: set() for name in stages})
            for after, before in repo.index.graph.edges:
                if {after.addressing, before.addressing} <= stages.keys():
                    waiting.add(after.addressing, before.addressing)
            waiting.prepare()
            running = {}
            while waiting.is_active():
                running |= {pool.submit(self._run, "sh", "-c", stages[name].cmd): name for name in waiting.get_ready()}
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    done.result()
                    waiting.done(running.pop(done))
            with repo.lock:
                for stage in stages.values():
                    stage.save()
                    stage.commit()
                for file in files:
                    stages_of_file = [stage for stage in stages.values() if stage.relpath == file]
                    stages_of_file[0].dvcfile.dump_stages(stages_of_file, update_pipeline=False)

    def copied(self, folder: Path) -> "Project":
        """Copy the project with its caches to `folder`, which must not exist."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder)

    def set(self, **settings: object) -> None:
        """Write `settings` (dotted keys) to params.yaml."""
        yaml = YAML()
        values = yaml.load(self.folder / "params.yaml")
        for key, value in settings.items():
            *sections, name = key.split(".")
            section = values
            for part in sections:
                section = section[part]
            section[name] = value
        yaml.dump(values, self.folder / "params.yaml")

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace the only `old` in the file `name` by `new`."""
        path = self.folder / name
        text = path.read_text("utf-8")
        assert text.count(old) == 1
        path.write_text(text.replace(old, new), "utf-8")

    def commit(self) -> None:
        """Commit all files."""
        self._run("git", "add", "--all")
        identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
        self._run("git", *identity, "commit", "--quiet", "--allow-empty", "--message", "state")

    def dvc(self, *arguments: str, succeeds: bool = True) -> str:
        """Run `dvc` and return its output."""
        return self._run("python", "-m", "dvc", *arguments, succeeds=succeeds).stdout

    def stage(self, name: str, *arguments: str, succeeds: bool = True, **environment: str) -> str:
        """Run the stage program `name` and return its output."""
        return self._run("python", "-m", f"stages.{name}", *arguments, succeeds=succeeds, **environment).stdout

    def tool(self, name: str, *arguments: str, succeeds: bool = True) -> str:
        """Run tools/`name`.py and return its output."""
        return self._run("python", "-m", f"tools.{name}", *arguments, succeeds=succeeds).stdout

    def python(self, program: str) -> str:
        """Run the Python `program` and return its output."""
        return self._run("python", "-c", program).stdout

    def git(self, *arguments: str) -> str:
        """Run `git` and return its output."""
        return self._run("git", *arguments).stdout

    def snakemake(self, profile: str, *arguments: str, succeeds: bool = True, **environment: str) -> str:
        """Run `snakemake` with one of the workflow's profiles and return its output."""
        return self._run(*snakemake(profile, *arguments), succeeds=succeeds, **environment).stdout

    def start_snakemake(self, profile: str, *arguments: str, **environment: str) -> subprocess.Popen:
        """Start `snakemake` in the background, as the leader of a process group, with its output in `snakemake.out`."""
        with open(self.folder / "snakemake.out", "w") as output:
            return subprocess.Popen(
                snakemake(profile, *arguments),
                cwd=self.folder,
                env=self.environment | environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def lose(self, *patterns: str) -> None:
        """Remove the files of `patterns` and their copies in DVC's cache, so that only their stages restore them."""
        for path in [path for pattern in patterns for path in self.folder.glob(pattern)]:
            for file in [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]:
                digest = hashlib.md5(file.read_bytes()).hexdigest()
                (self.folder / ".dvc/cache/files/md5" / digest[:2] / digest[2:]).unlink(missing_ok=True)
                file.unlink()

    def restore(self) -> None:
        """Restore the last commit and its outputs."""
        self._run("git", "checkout", "--quiet", ".")
        self._run("git", "clean", "--quiet", "--force", "-d")
        # A pipeline that has not run has no outputs to check out.
        self.dvc("checkout", "--force", "--allow-missing")
        shutil.rmtree(self.folder / ".snakemake/finished", ignore_errors=True)

    def _run(
        self, *command: str, cwd: Path | None = None, succeeds: bool = True, **environment: str
    ) -> subprocess.CompletedProcess:
        done = subprocess.run(
            command,
            cwd=cwd or self.folder,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert (done.returncode == 0) == succeeds, done.stdout[-3000:]
        return done

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of all programs."""
        return os.environ | {
            # Stage commands call `python`: that of the tests, as in an activated environment.
            "PATH": os.pathsep.join([str(self.pythons), str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": "",
            # Without the machine's Git identity: a new user may have none.
            "GIT_CONFIG_GLOBAL": os.devnull,
            # For small tensors, waiting for other threads can take longer than the work.
            "OMP_NUM_THREADS": "1",
        }


def snakemake(profile: str, *arguments: str) -> list[str]:
    """Build the command that runs the workflow with one of its profiles."""
    return ["python", "-m", "snakemake", "--workflow-profile", f"workflow/profiles/{profile}", *arguments]


def stages_run(output: str) -> set[str]:
    """Parse the addresses of the stages run by `dvc repro` or `dvc exp run`."""
    return set(re.findall(r"Running stage '([^']+)'", output))
