"""Check every setting before anything runs; its constant output makes no later stage stale."""

from pathlib import Path

from pfgvm.errors import InputError
from pfgvm.faces.sources import open_source
from stages.io import read_settings, run, write_whole


def main(out: Path) -> None:
    """Check params.yaml, and that the faces and the weights it names are there."""
    settings = read_settings()
    open_source(settings.data.source, Path(settings.data.root))
    weights = settings.train.B.weights
    if weights is not None and not Path(weights).is_file():
        raise InputError(
            f"{weights}: no such file; set train.B.weights to the descriptor's weights (README: Real faces)"
        )
    with write_whole(out) as partial:
        partial.write_text("params.yaml holds known settings of the right type and range.\n")


if __name__ == "__main__":
    run(main)
