"""The seconds that stages took: in this clone when they last ran, and on a reference machine (stage_seconds.yaml)."""

import contextlib
import json
from collections.abc import Iterable
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.common.files import atomic_write
from stages.common.program import SETTINGS

REFERENCE = Path(__file__).with_suffix(".yaml")
KEPT = Path(".dvc/tmp/stage_seconds.json")


class StageSeconds:
    """The seconds at the settings of the working directory, of which there are none where these cannot be read."""

    def __init__(self) -> None:
        reference = _yaml(REFERENCE)
        values = [_setting(_yaml(SETTINGS), key) for key in reference["settings"]]
        self._reference = reference["seconds"] if values == list(reference["settings"].values()) else {}
        self._key = json.dumps(values)
        self._kept: dict[str, dict[str, float]] = {}
        with contextlib.suppress(OSError, ValueError):
            self._kept = json.loads(KEPT.read_text("utf-8"))
        self.own = self._kept.setdefault(self._key, {})

    def reference(self, stages: Iterable[str]) -> dict[str, float]:
        """Those on the reference machine, of the `stages` that it knows."""
        known = {stage: self._reference.get(stage, self._reference.get(stage.partition("@")[0])) for stage in stages}
        return {stage: seconds for stage, seconds in known.items() if seconds is not None}

    def keep(self, stage: str, seconds: float) -> None:
        """Keep what `stage` took for the runs to come."""
        self.own[stage] = round(seconds, 1)
        with contextlib.suppress(OSError), atomic_write(KEPT) as partial:
            partial.write_text(json.dumps(self._kept), "utf-8")


def _yaml(path: Path) -> dict:
    with contextlib.suppress(OSError, YAMLError):
        return YAML(typ="safe", pure=True).load(path)
    return {}


def _setting(values: object, key: str) -> object:
    for part in key.split("."):
        values = values.get(part) if isinstance(values, dict) else None
    return values
