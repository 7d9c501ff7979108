"""Split the selected images into training, validation and test images."""

from pathlib import Path

from pfgvm.faces.stratified_split import stratified_split
from stages.common.data_frames import read_table, write_table
from stages.common.program import read_settings, run


def main(*, subset: Path, split: Path) -> None:
    """Write the rows of the CSV `subset`, with the split of each image, to the CSV `split`."""
    settings = read_settings()
    table = read_table(subset)
    images = table.groupby("person")["image"].agg(list).to_dict()
    table["split"] = table["image"].map(stratified_split(images, settings.split.shares, settings.split.seed))
    write_table(table, split)


if __name__ == "__main__":
    run(main)
