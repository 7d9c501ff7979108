"""The run: as data for report.json, and as text for the page."""

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
    "synthetic": "These faces are rendered and are not the paper's. The numbers compare the methods on these faces; "
    "they do not carry over to CelebA or to real faces.",
    "celeba": "The paper's identities and images are a random draw that it does not name; this run has another draw.",
    "folder": "These images are not the paper's; its numbers are for CelebA.",
}
TARGETS = {
    "random": "another identity at random, fixed for each image",
    "least_likely": "the other identity with the lowest predicted probability",
    "second_most_likely": "the other identity with the highest predicted probability",
}
SPLITS = ("train", "validation", "test")


def run_summary(
    settings: "Settings",
    records: Sequence["TrainingRecord"],
    split: "pd.DataFrame",
    results: "pd.DataFrame",
    digest: str,
) -> dict[str, Any]:
    """The run as values for JSON.

    records: one a trained model. split: columns image, person and split. results: pfgvm.report.table_data.results;
    `images_attacked` is the smallest and the largest number of images over the paper's methods, [0, 0] without any of
    them. digest: the run's name.
    """
    height, width = settings.data.image_size
    attacked = results[results["method"].isin(PAPER_METHODS)]["images"]
    fields = {"model", "descriptor", "descriptor_sha256", "frozen", "device", "versions"}
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
        "models": [record.model_dump(include=fields) for record in records],
    }


def facts(run: Mapping[str, Any], paper: Mapping[str, Any]) -> dict[str, str]:
    """`run_summary` as text, each fact by its name; paper: the published values."""
    sizes = ", ".join(f"{run['images'][name]} {name}" for name in SPLITS)
    published = paper["table4"]["A"]
    few, many = run["images_attacked"]
    models = run["models"]
    versions = [f"{name} {version}" for model in models for name, version in model["versions"].items()]
    described = {}
    for model in models:
        if model["descriptor"] != "none":
            state = "frozen" if model["frozen"] else "fine-tuned"
            described[f"Model {model['model']}'s descriptor"] = f"{descriptor_label(model['descriptor'])}, {state}"
            described["Descriptor weights"] = f"SHA-256 {model['descriptor_sha256']}"
    return {
        "Run": run["digest"],
        "Faces": FACES[run["source"]],
        "Identities and images": f"{run['persons']} identities, {sum(run['images'].values())} images ({sizes})",
        "Image size": f"{run['image_width']} x {run['image_height']} pixels "
        f"(paper: {published['image_width']} x {published['image_height']})",
        "Images attacked": f"{few} images" if few == many else f"{few} to {many} images",
        "Attack target": TARGETS[run["target"]],
        **described,
        "Device": ", ".join(dict.fromkeys(model["device"] for model in models)),
        "Versions": ", ".join(dict.fromkeys(versions)),
    }


def evaluated_run(settings: "Settings", descriptors: Mapping[str, str], digest: str) -> dict[str, str]:
    """The evaluated run, each fact by its name; digest: as in `run_summary`."""
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
    """Limits of the numbers of a run (`run_summary`), as sentences; paper: the published values."""
    published = paper["table4"]["A"]
    share = run["image_height"] * run["image_width"] / (published["image_height"] * published["image_width"])
    sentences = [CAVEATS[run["source"]]]
    if (descriptor := run["descriptors"].get("B", "vgg_face")) != "vgg_face":
        sentences.append(
            f"Model B uses the {descriptor_label(descriptor)} descriptor, the paper's VGG-Face; results on Model B are "
            "for this descriptor only."
        )
    if share != 1:
        sentences.append(
            f"The images have {100 * share:.0f} % of the paper's pixels. An equal perturbation of every pixel has "
            f"{math.sqrt(share):.2f} times the L2 norm."
        )
    fewest, tested = run["images_attacked"][0], run["images"]["test"]
    if fewest and tested:
        sentences.append(
            f"One image is {100 / fewest:.2f} % of a rate over all attacked images and {100 / tested:.2f} % of the "
            "test accuracy."
        )
    return sentences
