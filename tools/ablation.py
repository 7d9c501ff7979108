"""Ablation of P-FGVM (features): python -m tools.ablation.

Black-box recognisers compare all variants at equal mean FLIP of the faces (`flip`): each variant's perturbations are
scaled by one factor. Reads the output of `dvc repro stages/evaluation/dvc.yaml:gallery`.

ablation.csv has one row per variant and recogniser that the variant does not attack, in COLUMNS. `tmr` is the
true-match rate of protected with clean images at the highest false-match rate. `difference` is `tmr` minus that of the
first variant, paired by image. The intervals are 95 % bootstrap intervals over identities. `seconds` is per image.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from pfgvm.attacks.methods.p_fgvm_features import p_fgvm_features, parameters
from pfgvm.errors import InputError
from pfgvm.evaluation.findings.enrolment import Enrolment
from pfgvm.evaluation.findings.recognition_rates import over_persons
from pfgvm.evaluation.findings.verification import Faces, match_rates
from pfgvm.evaluation.metrics import l2
from pfgvm.evaluation.quality.quality_metrics import QUALITY, ImagePair
from pfgvm.evaluation.recognition.recognisers import Recogniser
from pfgvm.faces.images import to_8bit
from pfgvm.settings import MODEL_NAMES
from stages.adversarial.attacked_images import attacked_images
from stages.adversarial.descriptor_settings import open_descriptor
from stages.common.data_frames import csv_text
from stages.common.face_archive import read_images
from stages.common.files import atomic_write
from stages.common.program import read_settings, run
from stages.evaluation.evaluated_set import read_enrolments
from stages.evaluation.recogniser_settings import open_recognisers
from stages.networks.computing import configure_device

# Changed parameters of the method; all variants are compared with the first.
VARIANTS: dict[str, dict[str, Any]] = {
    "as set": {},
    "no mirror": {"mirror": False},
    "the image itself, no views": {"views": 1, "scale": 0.0, "shift": 0.0, "mirror": False},
    "one view a step": {"views": 1},
    "four views a step": {"views": 4},
    "views vary twice as much": {"scale": 0.2, "shift": 0.1},
    "10 iterations": {"iterations": 10},
    "40 iterations": {"iterations": 40},
    "every pixel alike": {"masking": 0.0},
    "masking halved": {"masking": 0.5},
    "no colour": {"chroma": 0.0},
    "half the colour": {"chroma": 0.3},
    "all colour": {"chroma": 1.0},
    "surrogates dlib and sface": {"descriptors": ["dlib", "sface"]},
}  # fmt: skip
COLUMNS = [
    "variant", "recogniser", "images", "tmr", "low", "high", "difference", "difference_low", "difference_high",
    "tmr_both", "l2", "mssim_face", "flip_face", "seconds",
]  # fmt: skip
_BATCH = 16
# Steps of the bisection for the scale of the perturbations.
_HALVINGS = 6


def main(*, faces: Path, split: Path, gallery: Path, out: Path, flip: float = 0.055) -> None:
    """Compare the variants of P-FGVM (features) at the mean FLIP `flip`, and write ablation.csv to the folder `out`."""
    settings = read_settings()
    attack, size = settings.attack, settings.data.image_size
    names = list(attacked_images(split, attack)["image"])
    clean = read_images(faces, names, size)
    device = configure_device(settings.device)
    recognisers = {recogniser.name: recogniser for recogniser in open_recognisers(settings, size)}
    enrolments = read_enrolments(gallery, settings)
    rows: list[dict[str, Any]] = []
    first: dict[str, np.ndarray] = {}
    for variant, changes in VARIANTS.items():
        values = parameters(attack, MODEL_NAMES[0]) | changes
        attacked = values.pop("descriptors")
        black_box = [enrolment for enrolment in enrolments if enrolment.recogniser.name not in attacked]
        if not black_box:
            continue
        descriptors = [open_descriptor(name, settings, size).to(device) for name in attacked]
        started = time.monotonic()
        adversarial = np.concatenate(
            [
                p_fgvm_features(
                    descriptors,
                    torch.from_numpy(clean[start : start + _BATCH]).to(device),
                    names[start : start + _BATCH],
                    **values,
                )
                .cpu()
                .numpy()
                for start in range(0, len(names), _BATCH)
            ]
        )
        seconds = (time.monotonic() - started) / len(names)
        scaled = at_flip(clean, adversarial, flip)
        of_variant: dict[str, Any] = {
            "variant": variant,
            "images": len(names),
            "l2": l2(torch.from_numpy(scaled), torch.from_numpy(clean)).mean().item(),
            **{name: mean_quality(name, scaled, clean) for name in ("mssim_face", "flip_face")},
            "seconds": seconds,
        }
        for enrolment in black_box:
            name = enrolment.recogniser.name
            tmr, tmr_both, persons = true_match_rates(enrolment, recognisers[name], names, scaled)
            baseline = first.setdefault(name, tmr)
            rates = dict(zip(("tmr", "low", "high"), over_persons(tmr, persons), strict=True))
            ends = ("difference", "difference_low", "difference_high")
            rates |= dict(zip(ends, over_persons(tmr - baseline, persons), strict=True))
            rows.append(of_variant | {"recogniser": name, "tmr_both": tmr_both} | rates)
            print({key: rows[-1][key] for key in ("variant", "recogniser", "tmr", "tmr_both")}, file=sys.stderr)
    if not rows:
        raise InputError("evaluation.recognisers: all of them are white-box; add one that the method does not attack")
    with atomic_write(out / "ablation.csv") as partial:
        partial.write_bytes(csv_text(pd.DataFrame(rows, columns=COLUMNS)))


def at_flip(clean: np.ndarray, adversarial: np.ndarray, flip: float) -> np.ndarray:
    """Scale the perturbations of `adversarial` by one factor, at most 4, to a mean FLIP of the faces of `flip`.

    clean, adversarial: float32 in [0, 1], (n, 3, H, W). Returns 8-bit images as float32.
    """
    low, high = 0.0, 4.0
    for _ in range(_HALVINGS):
        factor = (low + high) / 2
        reached = mean_quality("flip_face", scaled_by(clean, adversarial, factor), clean)
        low, high = (factor, high) if reached < flip else (low, factor)
    return scaled_by(clean, adversarial, (low + high) / 2)


def scaled_by(clean: np.ndarray, adversarial: np.ndarray, factor: float) -> np.ndarray:
    """Multiply the perturbations of `adversarial` by `factor`; returns 8-bit images as float32 in [0, 1]."""
    return to_8bit((clean + np.float32(factor) * (adversarial - clean)).clip(0, 1)).astype(np.float32) / np.float32(255)


def mean_quality(name: str, images: np.ndarray, clean: np.ndarray) -> float:
    """Average the metric `name` of QUALITY over images and their originals, float32 in [0, 1], (n, 3, H, W)."""
    [metric] = [metric for metric in QUALITY if metric.name == name]
    pairs = (ImagePair(*images) for images in zip(to_8bit(images), to_8bit(clean), strict=True))
    return float(np.mean([metric.function(pair) for pair in pairs]))


def true_match_rates(
    enrolment: Enrolment, recogniser: Recogniser, names: Sequence[str], images: np.ndarray
) -> tuple[np.ndarray, float, np.ndarray]:
    """Compute each image's true-match rate with clean images, (n,), the mean with protected ones, and identities, (n,).

    The threshold is that of the highest false-match rate.
    """
    value = max(enrolment.thresholds, key=lambda level: level.fmr).value
    persons = enrolment.gallery.of(names).persons
    probes = Faces(np.array(names), persons, recogniser.embed(images) - enrolment.offset)
    to_clean = match_rates(enrolment.recogniser, probes, enrolment.gallery, value)
    to_protected = match_rates(enrolment.recogniser, probes, probes, value)
    return to_clean, over_persons(to_protected, persons)[0], persons


if __name__ == "__main__":
    run(main)
