"""The project's files as a revision has them: of an experiment, any commit, or as they lie."""

import hashlib
from typing import BinaryIO

from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from dvc.scm import RevError

from pfgvm.errors import InputError

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
        try:
            self._files = DVCFileSystem(".", rev=name)
            self.commit = self._files.repo.get_rev()[:_ABBREVIATED]
        except RevError:
            raise InputError(
                f"{name}: is no experiment that has run, no branch, tag or commit, and not `{WORKSPACE}`; "
                "`dvc exp show` lists the experiments, `git log` the commits"
            ) from None
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
            f"DVC's cache does not hold its {path}; get it from your remote (`dvc pull`), or make it again: "
            f"`dvc exp apply {self.name}`, or `git checkout {self.name}` where that is no experiment, then `dvc repro`"
        )
