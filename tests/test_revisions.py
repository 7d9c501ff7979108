"""The commit of a name, also for names that look like a hash, a branch or another experiment."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pfgvm.errors import InputError
from tools.revisions import Revision


def git(*words: str) -> str:
    identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    return subprocess.run(["git", *identity, *words], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DVC repository of three commits, whose a.txt contains the commit's number; only to be copied."""
    folder = tmp_path_factory.mktemp("repository")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        git("init", "--quiet")
        subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], check=True)
        for number in range(3):
            Path("a.txt").write_text(str(number))
            git("add", "--all")
            git("commit", "--quiet", "--message", str(number))
    return folder


@pytest.fixture
def commits(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commits of a copy of `repository`, oldest first, in the working directory."""
    shutil.copytree(repository, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    return git("rev-list", "--reverse", "HEAD").split()


def experiment(name: str, baseline: str, commit: str) -> None:
    git("update-ref", f"refs/exps/{baseline[:2]}/{baseline[2:]}/{name}", commit)


def read(name: str) -> str:
    with Revision(name).open("a.txt") as file:
        return file.read().decode()


def test_a_revision_is_what_git_calls_so(commits):
    git("branch", "feature/one", commits[1])
    git("tag", "v0", commits[0])
    names = ("HEAD", "HEAD~1", "feature/one", "v0", commits[0], commits[1][:7], "workspace")
    assert [read(name) for name in names] == ["2", "1", "1", "0", "0", "1", "2"]
    assert Revision("v0").commit == commits[0][:7] and Revision("workspace").commit == ""


def test_an_experiment_comes_before_the_hash_that_its_name_begins(commits):
    name = commits[0][:6]
    experiment(name, commits[2], commits[1])
    assert read(name) == "1"


def test_head_is_this_commit_though_an_experiment_was_stopped_on_another(commits):
    git("update-ref", "refs/exps/exec/EXEC_BASELINE", commits[0])
    assert read("HEAD") == "2"


def test_of_experiments_of_one_name_that_of_this_commit_counts(commits):
    experiment("closer", commits[0], commits[0])
    experiment("closer", commits[2], commits[1])
    assert read("closer") == "1"


def refusal(name: str) -> str:
    with pytest.raises(InputError) as refused:
        Revision(name)
    return str(refused.value)


def test_a_name_of_several_runs_is_refused(commits):
    experiment("closer", commits[2], commits[1])
    git("branch", "closer", commits[0])
    assert refusal("closer").startswith("closer: is the name of several runs")
    experiment("farther", commits[0], commits[0])
    experiment("farther", commits[1], commits[1])
    assert refusal("farther").startswith("farther: several commits have an experiment of this name")


@pytest.mark.skipif(os.geteuid() != 0, reason="gives the folder away, which root alone may do")
def test_a_clone_of_another_user_is_refused_with_gits_remedy(commits, tmp_path):
    for folder, _, files in os.walk(tmp_path):
        for name in (folder, *(os.path.join(folder, file) for file in files)):
            os.chown(name, 1234, 1234)
    message = refusal("HEAD")
    assert message.startswith(f"{tmp_path}: `git rev-parse --git-dir` failed")
    assert f"safe.directory {tmp_path}" in message


def test_outside_a_clone_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "run in a clone" in refusal("HEAD")
