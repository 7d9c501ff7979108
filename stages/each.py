"""Run a stage program for each of several names, where the evaluation asks for it.

    python -m stages.each PARTS NAMES -- PROGRAM --option value …

PARTS: parts of the setting evaluation.parts, with commas between them, of which one must be set; `always` is. NAMES:
with commas between them; in the options, `{}` stands for a name, `{stem}` for what follows its last slash. Where
nothing is asked, write_nothing of stages/common/files.py writes the program's `--out`; the same comes of such an
`--adversarial`.
"""

import runpy
import sys
from pathlib import Path, PurePath

from ruamel.yaml import YAML

from stages.common.files import holds_nothing, write_nothing
from stages.common.program import SETTINGS
from stages.common.progress import reported


def main(parts: str, names: str, program: str, *options: str) -> None:
    """Run `program` with `options` for each of `names`, or say in place of its outputs that nothing was asked."""
    # Not through the schema, which the stage `settings` has held them against: it takes longer to load than this.
    asked = {"always", *YAML(typ="safe", pure=True).load(SETTINGS)["evaluation"]["parts"]}.intersection(
        parts.split(",")
    )
    to_run = []
    for name in names.split(","):
        words = [word.replace("{}", name).replace("{stem}", PurePath(name).name) for word in options]
        values = dict(zip(words[::2], words[1::2], strict=True))
        source = values.get("--adversarial")
        if asked and not (source and holds_nothing(Path(source))):
            to_run.append(words)
        elif "--shard" not in values:
            write_nothing(Path(values["--out"]))
    # One alone says itself how far it is.
    for words in reported(to_run, program, "outputs", total=len(to_run)) if len(to_run) > 1 else to_run:
        sys.argv = [program, *words]
        runpy.run_module(f"stages.{program}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    parts, names, _, *words = sys.argv[1:]
    main(parts, names, *words)
