"""Check every setting before anything runs; its constant output makes no later stage stale."""

from pathlib import Path

from pfgvm.faces.sources import open_source
from stages.io import read_settings, run, write_whole


def main(out: Path) -> None:
    """Check params.yaml, and that the faces it names are there."""
    settings = read_settings()
    open_source(settings.data.source, Path(settings.data.root))
    with write_whole(out) as partial:
        partial.write_text("params.yaml holds known settings of the right type and range.\n")


if __name__ == "__main__":
    run(main)
