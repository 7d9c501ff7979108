"""The selection of attacked images."""

from pathlib import Path

import pandas as pd

from pfgvm import seeding
from pfgvm.settings import Attack
from stages.common.data_frames import read_table


def attacked_images(split: Path, attack: Attack) -> pd.DataFrame:
    """Select the attacked rows of the CSV `split`: all, or attack.images_per_person of each identity, drawn by name."""
    table = read_table(split)
    if attack.images_per_person is None:
        return table
    drawn = {
        image
        for person, images in table.groupby("person")["image"]
        for image in seeding.shuffled(images, attack.seed, "attacked", person)[: attack.images_per_person]
    }
    return table[table["image"].isin(drawn)].reset_index(drop=True)
