"""What every stage program does at its edge: read settings and files, write files whole, turn bad input into one line."""

import argparse
import contextlib
import inspect
import os
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pfgvm.errors import InputError
from pfgvm.faces.images import decode, to_size
from pfgvm.settings import Settings, parse

SETTINGS = Path("params.yaml")


def read_settings() -> Settings:
    """The settings in params.yaml of the working directory. Raises InputError for whatever is wrong with them."""
    try:
        # A YAML 1.2 parser: to one of YAML 1.1, the 1e-06 that DVC writes is a string.
        values = YAML(typ="safe", pure=True).load(SETTINGS)
    except OSError as error:
        raise InputError(f"{SETTINGS}: cannot be read ({error.strerror}); run from the project's folder") from None
    except YAMLError as error:
        raise InputError(f"{SETTINGS}: is not valid YAML; correct it:\n{error}") from None
    return parse(values, str(SETTINGS))


def run(main: Callable[..., None]) -> None:
    """Run a stage: each parameter of `main` is a required option of the same name, its type the annotation.

    An InputError becomes its message on standard error and exit status 1.
    """
    parser = argparse.ArgumentParser(description=main.__doc__)
    for parameter in inspect.signature(main).parameters.values():
        parser.add_argument(f"--{parameter.name}", type=parameter.annotation, required=True)
    try:
        main(**vars(parser.parse_args()))
    except InputError as error:
        sys.exit(f"error: {error}")


@contextlib.contextmanager
def write_whole(path: Path) -> Iterator[Path]:
    """A path to write to that becomes `path` when the block ends, and vanishes when it fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read_table(path: Path) -> pd.DataFrame:
    """A CSV table whose cells are all text (a person's name may look like a number, or like a missing value)."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write `table` to `path` as CSV, whole or not at all."""
    with write_whole(path) as partial:
        table.to_csv(partial, index=False, lineterminator="\n")


def write_faces(images: dict[str, bytes], path: Path) -> None:
    """Keep the original bytes of `images` (name -> file) in one zip that is the same wherever it is made."""
    with write_whole(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        for name in sorted(images):
            archive.writestr(zipfile.ZipInfo(name), images[name])


def read_pixels(faces: Path, images: Sequence[str], image_size: tuple[int, int]) -> np.ndarray:
    """The `images` in the zip `faces` at `image_size` (height, width): uint8, (n, 3, H, W)."""
    with zipfile.ZipFile(faces) as archive:
        return np.stack([to_size(decode(archive.read(image), image), image_size) for image in images])


def read_images(faces: Path, images: Sequence[str], image_size: tuple[int, int]) -> np.ndarray:
    """The `images` in the zip `faces` at `image_size` (height, width): float32 in [0, 1], (n, 3, H, W)."""
    return read_pixels(faces, images, image_size).astype(np.float32) / np.float32(255)
