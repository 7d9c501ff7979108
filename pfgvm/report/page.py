"""The report's page: what was run, in words, and every table and figure in one file."""

import math
from base64 import b64encode
from collections.abc import Mapping

import jinja2
import pandas as pd

from pfgvm.report import comparison, tables
from pfgvm.report.comparison import DESCRIPTORS
from pfgvm.report.markup import Printed
from pfgvm.settings import Settings

FACES = {
    "synthetic": "Synthetic, rendered faces, bundled with this project",
    "celeba": "CelebA, aligned and cropped",
    "folder": "A folder of the user's own images",
}
CAVEATS = {
    "synthetic": "These faces are rendered, not photographs, and not the paper's. This run shows that the pipeline "
    "works and how its methods compare here; its numbers do not carry over to CelebA or to real people.",
    "celeba": "The paper drew its persons and images at random and does not name them: they are not these.",
    "folder": "These faces are not the paper's: its numbers hold for CelebA.",
}
TARGETS = {
    "random": "another person at random, fixed for each image",
    "least_likely": "the person whom the model finds least likely",
    "second_most_likely": "the person whom the model finds most likely after the true one",
}


def origin(settings: Settings, records: list[dict], split: pd.DataFrame, results: pd.DataFrame, paper: Mapping) -> dict:
    """What the page says of the run: `facts` by name, `caveats`, and the `descriptor` sentence for captions."""
    height, width = settings.data.image_size
    published = paper["table4"]["A"]
    share = height * width / (published["image_height"] * published["image_width"])
    sizes = ", ".join(f"{(split['split'] == name).sum()} {name}" for name in ("train", "validation", "test"))
    attacked = results[results["method"].isin(tables.PAPER_METHODS)]["images"]
    versions = {f"{name} {version}": None for r in records for name, version in r["versions"].items()}
    facts = {
        "Faces": FACES[settings.data.source],
        "Persons and images": f"{split['person'].nunique()} persons, {len(split)} images ({sizes})",
        "Image size": f"{width} x {height} pixels (paper: {published['image_width']} x {published['image_height']})",
        "Images attacked": _range(attacked),
        "Attack target": TARGETS[settings.attack.target],
        "Arithmetic of the attacks": settings.attack.precision,
    }
    for record in records:
        if record["descriptor"] != "none":
            state = "frozen" if record["frozen"] else "trained on"
            facts[f"Model {record['model']}'s descriptor"] = f"{DESCRIPTORS[record['descriptor']]}, {state}"
            facts["Its weights"] = f"SHA-256 {record['descriptor_sha256']}"
    facts |= {
        "Device": ", ".join(dict.fromkeys(r["device"] for r in records)),
        "Versions": ", ".join(versions),
    }
    caveats = [CAVEATS[settings.data.source]]
    if any(record["descriptor"] == "dlib" for record in records):
        caveats.append(
            "Model B stands on dlib's face descriptor, the paper's on VGG-Face: B's numbers are this descriptor's own."
        )
    if share != 1:
        caveats.append(
            f"Images hold {share:.0%} of the paper's pixels: the same change of each pixel has an L2 norm of "
            f"{math.sqrt(share):.2f} times the paper's."
        )
    tested = (split["split"] == "test").sum()
    caveats.append(
        f"How coarse a rate is: one image is {100 / attacked.min():.2f} % of the rates over all attacked images, and "
        f"{100 / tested:.2f} % of the test accuracy."
    )
    descriptors = {record["model"]: record["descriptor"] for record in records}
    return {"facts": facts, "caveats": caveats, "descriptor": comparison.descriptor_note(descriptors)}


def _range(counts: pd.Series) -> str:
    low, high = (counts.min(), counts.max()) if len(counts) else (0, 0)
    return f"{low} images" if low == high else f"{low} to {high} images"


def page(template: str, printed: Mapping[str, Printed], pictures: Mapping[str, bytes], made_from: Mapping) -> str:
    """The page: tables as text, figures (PNG files) embedded, nothing loaded from elsewhere."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    embedded = {name: f"data:image/png;base64,{b64encode(png).decode()}" for name, png in pictures.items()}
    return environment.from_string(template).render(tables=printed, figures=embedded, **made_from) + "\n"
