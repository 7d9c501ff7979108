"""What was run: as data for report.json, and in the page's words."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pfgvm.methods import PAPER_METHODS
from pfgvm.models.descriptors import descriptor_label

if TYPE_CHECKING:
    import pandas as pd

    from pfgvm.models.training_record import TrainingRecord
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
SPLITS = ("train", "validation", "test")


def run_summary(
    settings: "Settings",
    records: Sequence["TrainingRecord"],
    split: "pd.DataFrame",
    results: "pd.DataFrame",
    digest: str,
) -> dict[str, Any]:
    """What was run, as JSON can hold it.

    records: one a trained model. split: columns image, person and split. results: pfgvm.report.table_data.results; the
    paper's methods tell how many images were attacked, [0, 0] where none of them was run. digest: the run's name.
    """
    height, width = settings.data.image_size
    attacked = results[results["method"].isin(PAPER_METHODS)]["images"]
    kept = {"model", "descriptor", "descriptor_sha256", "frozen", "device", "versions"}
    return {
        "digest": digest,
        "source": settings.data.source,
        "image_height": height,
        "image_width": width,
        "persons": int(split["person"].nunique()),
        "images": {name: int((split["split"] == name).sum()) for name in SPLITS},
        "images_attacked": [int(attacked.min()), int(attacked.max())] if len(attacked) else [0, 0],
        "target": settings.attack.target,
        "descriptors": {record.model: record.descriptor for record in records},
        "models": [record.model_dump(include=kept) for record in records],
    }


def facts(run: Mapping[str, Any], paper: Mapping[str, Any]) -> dict[str, str]:
    """`run_summary` in words, each fact under its name; paper: the published values."""
    sizes = ", ".join(f"{run['images'][name]} {name}" for name in SPLITS)
    published = paper["table4"]["A"]
    few, many = run["images_attacked"]
    models = run["models"]
    versions = [f"{name} {version}" for model in models for name, version in model["versions"].items()]
    described = {}
    for model in models:
        if model["descriptor"] != "none":
            state = "frozen" if model["frozen"] else "trained on"
            described[f"Model {model['model']}'s descriptor"] = f"{descriptor_label(model['descriptor'])}, {state}"
            described["Its weights"] = f"SHA-256 {model['descriptor_sha256']}"
    return {
        "Run": run["digest"],
        "Faces": FACES[run["source"]],
        "Persons and images": f"{run['persons']} persons, {sum(run['images'].values())} images ({sizes})",
        "Image size": f"{run['image_width']} x {run['image_height']} pixels "
        f"(paper: {published['image_width']} x {published['image_height']})",
        "Images attacked": f"{few} images" if few == many else f"{few} to {many} images",
        "Attack target": TARGETS[run["target"]],
        **described,
        "Device": ", ".join(dict.fromkeys(model["device"] for model in models)),
        "Versions": ", ".join(dict.fromkeys(versions)),
    }


def evaluated_run(settings: "Settings", descriptors: Mapping[str, str], digest: str) -> dict[str, str]:
    """Which run was evaluated, each fact under its name; digest: as in `run_summary`, on whose page it stands too."""
    height, width = settings.data.image_size
    attack = settings.attack
    values = {
        "λ of P-FGVM": attack.penalty,
        "ε of I-FGVM": attack.i_fgvm.epsilon,
        "ε of I-FGSM": attack.i_fgsm.epsilon,
    }
    return {
        "Run": digest,
        "Faces": FACES[settings.data.source],
        "Identities": f"{settings.subset.persons}, with {settings.subset.images_per_person} images each",
        "Image size": f"{width} x {height} pixels",
        "Images attacked": "all" if attack.images_per_person is None else f"{attack.images_per_person} an identity",
        "Attack target": TARGETS[attack.target],
        **{name: ", ".join(f"{value:g} (Model {model})" for model, value in by.items()) for name, by in values.items()},
        "Model B's descriptor": descriptor_label(descriptors["B"]),
        "Recognisers": ", ".join(settings.evaluation.recognisers),
    }


def caveats(run: Mapping[str, Any], paper: Mapping[str, Any]) -> list[str]:
    """What to keep in mind when reading the numbers of a run (`run_summary`); paper: the published values."""
    published = paper["table4"]["A"]
    share = run["image_height"] * run["image_width"] / (published["image_height"] * published["image_width"])
    found = [CAVEATS[run["source"]]]
    if (descriptor := run["descriptors"].get("B", "vgg_face")) != "vgg_face":
        found.append(
            f"Model B stands on {descriptor_label(descriptor)}'s face descriptor, the paper's on VGG-Face: B's numbers "
            "are this descriptor's own."
        )
    if share != 1:
        found.append(
            f"Images hold {share:.0%} of the paper's pixels: the same change of each pixel has an L2 norm of "
            f"{math.sqrt(share):.2f} times the paper's."
        )
    fewest, tested = run["images_attacked"][0], run["images"]["test"]
    if fewest and tested:
        found.append(
            f"How coarse a rate is: one image is {100 / fewest:.2f} % of the rates over all attacked images, and "
            f"{100 / tested:.2f} % of the test accuracy."
        )
    return found
