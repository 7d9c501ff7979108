"""The project's files at a revision: an experiment, a commit or the workspace."""

import hashlib
from typing import BinaryIO

from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.repo.experiments.exceptions import AmbiguousExpRefInfo
from dvc.repo.experiments.utils import resolve_name

from pfgvm.errors import InputError
from tools.commands import output_of

WORKSPACE = "workspace"
_ABBREVIATED = 7  # characters of a commit's hash, as in `dvc exp show`


class Revision:
    """The files of one revision, from Git's commit or from DVC's cache.

    name: an experiment, a branch or tag, a commit's hash, or `workspace`, the current files. commit: its abbreviated
    hash, "" for the workspace. Raises InputError for any other name.
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
            self._files.repo  # noqa: B018  # opened here, so that its errors are raised here
        except DvcException as error:
            raise InputError(f"{name}: cannot be read ({error}); run from the project's folder") from None

    def open(self, path: str) -> BinaryIO:
        """Open the file at `path` for reading. Raises InputError for a missing file."""
        try:
            return open(path, "rb") if self.name == WORKSPACE else self._files.open(path)
        except FileNotFoundError:
            raise InputError(f"{self.name}: {self._missing(path)}") from None

    def digest(self, path: str) -> str:
        """Compute or look up the MD5 of the file at `path`, cached or not. Raises InputError for a missing file."""
        if self.name == WORKSPACE:
            with self.open(path) as file:
                return hashlib.file_digest(file, "md5").hexdigest()
        if digest := self._recorded(path):
            return digest
        raise InputError(f"{self.name}: {self._missing(path)}")

    def _recorded(self, path: str) -> str | None:
        """The file's MD5 in the revision's dvc.lock, or None."""
        return self._files.info(path).get("md5") if self._files.exists(path) else None

    def _missing(self, path: str) -> str:
        if self.name == WORKSPACE:
            return f"there is no {path}; run `dvc repro` first"
        if not self._recorded(path):
            return f"it has no {path}: the run is incomplete or of an older version; compare another run"
        return (
            f"DVC's cache lacks its {path}; get it from your remote (`dvc pull dvc.yaml`), or compute it again: "
            f"`dvc exp apply {self.name}` (`git checkout {self.name}` for a commit), then `dvc repro`"
        )


def _commit_of(name: str) -> str:
    """Resolve an experiment, a branch, a tag or another Git revision to the full hash of its commit.

    DVC's own resolution is not used: it reads a name of the letters a to f as the beginning of any object's hash
    before it looks for an experiment, and HEAD as the commit on which an experiment was stopped.
    """
    # Git's refusal of the folder names the fix; that of DVC's libraries does not.
    output_of("git", "rev-parse", "--git-dir")
    try:
        with Repo() as repo:
            experiment = resolve_name(repo.scm, name)[name]
    except AmbiguousExpRefInfo:
        raise InputError(
            f"{name}: several commits have an experiment of this name; use the hash listed by `dvc exp show -A`"
        ) from None
    except DvcException as error:
        raise InputError(f"{name}: cannot be read ({error}); run from the project's folder") from None
    commits = {
        commit
        for reference in (*([str(experiment)] if experiment else []), f"refs/heads/{name}", f"refs/tags/{name}")
        if (commit := _resolved(reference))
    }
    if len(commits) > 1:
        raise InputError(f"{name}: is the name of several runs (experiment, branch or tag); use the hash of one")
    commit = next(iter(commits), None) or _resolved(name)
    if not commit:
        raise InputError(
            f"{name}: is not a finished experiment, branch, tag, commit or `{WORKSPACE}`; name one listed by "
            "`dvc exp show` or `git log`"
        )
    return commit


def _resolved(reference: str) -> str | None:
    try:
        return output_of(
            "git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{reference}^{{commit}}"
        ).strip()
    except InputError:
        return None
