"""The project's files as a revision has them: of an experiment, any commit, or as they lie."""

import hashlib
from typing import BinaryIO

from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.repo.experiments.exceptions import AmbiguousExpRefInfo
from dvc.repo.experiments.utils import resolve_name

from pfgvm.errors import InputError
from tools.commands import printed

WORKSPACE = "workspace"
_ABBREVIATED = 7  # characters of a commit's hash, as in `dvc exp show`


class Revision:
    """The files of one revision; what Git keeps comes from its commit, what DVC keeps from the cache.

    name: that of an experiment, a branch or tag, a commit's hash, or `workspace`, the files as they lie. commit: its
    abbreviated hash, "" of the workspace. Raises InputError for a name that is none of these.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.commit = ""
        if name == WORKSPACE:
            return
        commit = _commit_of(name)
        self.commit = commit[:_ABBREVIATED]
        try:
            self._files = DVCFileSystem(".", rev=commit)
            self._files.repo  # noqa: B018  # opened now, so that what is wrong with it is said here
        except DvcException as error:
            raise InputError(f"{name}: cannot be read ({error}); run from the project's folder") from None

    def open(self, path: str) -> BinaryIO:
        """The file at `path`, to be read and closed. Raises InputError where it is not to be had."""
        try:
            return open(path, "rb") if self.name == WORKSPACE else self._files.open(path)
        except FileNotFoundError:
            raise InputError(f"{self.name}: {self._missing(path)}") from None

    def digest(self, path: str) -> str:
        """The MD5 of the file at `path`, whether or not DVC's cache has it. Raises InputError where there is none."""
        if self.name == WORKSPACE:
            with self.open(path) as file:
                return hashlib.file_digest(file, "md5").hexdigest()
        if digest := self._kept(path):
            return digest
        raise InputError(f"{self.name}: {self._missing(path)}")

    def _kept(self, path: str) -> str | None:
        """The MD5 by which DVC keeps the file; None where the revision's dvc.lock names none."""
        return self._files.info(path).get("md5") if self._files.exists(path) else None

    def _missing(self, path: str) -> str:
        if self.name == WORKSPACE:
            return f"there is no {path}; run `dvc repro` first"
        if not self._kept(path):
            return f"it has no {path}: the run did not end, or is of an older version; compare another"
        return (
            f"DVC's cache does not hold its {path}; get it from your remote (`dvc pull dvc.yaml`), or make it again: "
            f"`dvc exp apply {self.name}`, or `git checkout {self.name}` where that is no experiment, then `dvc repro`"
        )


def _commit_of(name: str) -> str:
    """The commit of an experiment, a branch or tag, or whatever else Git takes for one, in full.

    Not by DVC's own reading, which takes a name of the letters a to f for the beginning of any object's hash before it
    looks for an experiment, and HEAD for the commit on which an experiment was stopped.
    """
    # It fails where Git refuses the folder, which DVC's libraries do without a remedy.
    printed("git", "rev-parse", "--git-dir")
    try:
        with Repo() as repo:
            experiment = resolve_name(repo.scm, name)[name]
    except AmbiguousExpRefInfo:
        raise InputError(
            f"{name}: several commits have an experiment of this name; give the hash that `dvc exp show -A` lists"
        ) from None
    except DvcException as error:
        raise InputError(f"{name}: cannot be read ({error}); run from the project's folder") from None
    commits = {
        commit
        for reference in (*([str(experiment)] if experiment else []), f"refs/heads/{name}", f"refs/tags/{name}")
        if (commit := _resolved(reference))
    }
    if len(commits) > 1:
        raise InputError(f"{name}: is the name of several runs (experiment, branch or tag); give the hash of the one")
    commit = next(iter(commits), None) or _resolved(name)
    if not commit:
        raise InputError(
            f"{name}: is no experiment that has run, no branch, tag or commit, and not `{WORKSPACE}`; "
            "`dvc exp show` lists the experiments, `git log` the commits"
        )
    return commit


def _resolved(reference: str) -> str | None:
    try:
        return printed("git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{reference}^{{commit}}").strip()
    except InputError:
        return None
