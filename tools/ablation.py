"""What each part of P-FGVM (features) is worth: python -m tools.ablation.

Every variant is scaled until it is seen as much as the others, by the mean ꟻLIP of the faces, and recognisers that the
method has not before it are asked. Reads what `dvc repro gallery` makes where evaluation.parts names `recognition`.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from pfgvm.attacks.methods.p_fgvm_features import METHOD, p_fgvm_features
from pfgvm.errors import InputError
from pfgvm.evaluation.findings.enrolment import Enrolment
from pfgvm.evaluation.findings.recognition import over_persons
from pfgvm.evaluation.findings.verification import Faces, match_rates
from pfgvm.evaluation.metrics import l2
from pfgvm.evaluation.quality.metrics import QUALITY
from pfgvm.evaluation.recognition.recognisers import Recogniser
from pfgvm.faces.images import to_8bit
from stages.common.attacked_rows import attacked_rows
from stages.common.computing import configure_device
from stages.common.data_frames import csv_text
from stages.common.descriptor_settings import open_descriptor
from stages.common.evaluated_set import read_enrolments
from stages.common.face_archive import read_images
from stages.common.files import atomic_write
from stages.common.program import read_settings, run
from stages.common.recogniser_settings import open_recognisers

# Changes of the method's parameters; the first variant is what the others are held against.
VARIANTS: dict[str, dict[str, Any]] = {
    "as set": {},
    "the image itself, no views": {"views": 1, "scale": 0.0, "shift": 0.0},
    "one view a step": {"views": 1},
    "four views a step": {"views": 4},
    "views vary half as much": {"scale": 0.05, "shift": 0.025},
    "views vary twice as much": {"scale": 0.2, "shift": 0.1},
    "10 iterations": {"iterations": 10},
    "40 iterations": {"iterations": 40},
    "every pixel alike": {"masking": 0.0},
    "masking in full": {"masking": 1.0},
    "no colour": {"chroma": 0.0},
    "all colour": {"chroma": 1.0},
}
COLUMNS = [
    "variant", "recogniser", "images", "tmr", "low", "high", "difference", "difference_low", "difference_high",
    "tmr_both", "l2", "mssim_face", "flip_face", "seconds",
]  # fmt: skip
_BATCH = 16
# Halvings of the interval in which the scale of a perturbation is sought.
_HALVINGS = 6


def main(*, faces: Path, split: Path, gallery: Path, out: Path, flip: float = 0.055) -> None:
    """Write ablation.csv into the folder `out`: one row a variant and unseen recogniser, in COLUMNS.

    flip: the mean ꟻLIP of the faces to which every variant's perturbations are scaled, all by one factor. `tmr` is the
    true-match rate of protected with clean pictures at the highest false-match rate, `difference` that less the first
    variant's, paired by image; 95 % intervals by bootstrap over persons. seconds: of an image, as it was made.
    """
    settings = read_settings()
    attack, size = settings.attack, settings.data.image_size
    names = list(attacked_rows(split, attack)["image"])
    clean = read_images(faces, names, size)
    device = configure_device(settings.device)
    seen = attack.p_fgvm_features.descriptors
    descriptors = [open_descriptor(name, settings, size).to(device) for name in seen]
    recognisers = {recogniser.name: recogniser for recogniser in open_recognisers(settings, size)}
    unseen = [known for known in read_enrolments(gallery, settings) if known.recogniser.name not in seen]
    if not unseen:
        raise InputError("evaluation.recognisers: the method has seen all of them; add one that it has not")
    rows, first = [], {}
    for variant, changes in VARIANTS.items():
        parameters = METHOD.parameters(attack, "A") | changes
        started = time.monotonic()
        made = np.concatenate(
            [
                p_fgvm_features(
                    descriptors,
                    torch.from_numpy(clean[start : start + _BATCH]).to(device),
                    names[start : start + _BATCH],
                    **parameters,
                )
                .cpu()
                .numpy()
                for start in range(0, len(names), _BATCH)
            ]
        )
        seconds = (time.monotonic() - started) / len(names)
        scaled = at_flip(clean, made, flip)
        of_variant = {
            "variant": variant,
            "images": len(names),
            "l2": l2(torch.from_numpy(scaled), torch.from_numpy(clean)).mean().item(),
            **{name: mean_quality(name, scaled, clean) for name in ("mssim_face", "flip_face")},
            "seconds": seconds,
        }
        for known in unseen:
            found, both, persons = matched(known, recognisers[known.recogniser.name], names, scaled)
            before = first.setdefault(known.recogniser.name, found)
            rates = dict(zip(("tmr", "low", "high"), over_persons(found, persons), strict=True))
            ends = ("difference", "difference_low", "difference_high")
            rates |= dict(zip(ends, over_persons(found - before, persons), strict=True))
            rows.append(of_variant | {"recogniser": known.recogniser.name, "tmr_both": both} | rates)
            print({key: rows[-1][key] for key in ("variant", "recogniser", "tmr", "tmr_both")}, file=sys.stderr)
    with atomic_write(out / "ablation.csv") as partial:
        partial.write_bytes(csv_text(pd.DataFrame(rows, columns=COLUMNS)))


def at_flip(clean: np.ndarray, made: np.ndarray, flip: float) -> np.ndarray:
    """`made` with its perturbation scaled, by one factor of at most 4, until the faces' mean ꟻLIP is `flip`.

    clean, made: float32 in [0, 1], (n, 3, H, W). Returns the like, as 8-bit pictures have it.
    """
    low, high = 0.0, 4.0
    for _ in range(_HALVINGS):
        factor = (low + high) / 2
        seen = mean_quality("flip_face", moved(clean, made, factor), clean)
        low, high = (factor, high) if seen < flip else (low, factor)
    return moved(clean, made, (low + high) / 2)


def moved(clean: np.ndarray, made: np.ndarray, factor: float) -> np.ndarray:
    """The 8-bit pictures, as float32 in [0, 1], whose perturbation is `factor` times that of `made`."""
    return to_8bit((clean + np.float32(factor) * (made - clean)).clip(0, 1)).astype(np.float32) / np.float32(255)


def mean_quality(name: str, pictures: np.ndarray, clean: np.ndarray) -> float:
    """The mean of the metric `name` of QUALITY over pictures and their originals, float32 in [0, 1], (n, 3, H, W)."""
    [metric] = [metric for metric in QUALITY if metric.name == name]
    return float(np.mean([metric.function(*pair) for pair in zip(to_8bit(pictures), to_8bit(clean), strict=True)]))


def matched(
    known: Enrolment, recogniser: Recogniser, names: Sequence[str], pictures: np.ndarray
) -> tuple[np.ndarray, float, np.ndarray]:
    """Each picture's true-match rate with clean ones, (n,); the mean of protected with protected; the persons, (n,)."""
    value = max(known.thresholds, key=lambda level: level.fmr).value
    persons = known.gallery.of(names).persons
    probes = Faces(np.array(names), persons, recogniser.embed(pictures) - known.offset)
    to_clean = match_rates(known.recogniser, probes, known.gallery, value)
    to_protected = match_rates(known.recogniser, probes, probes, value)
    return to_clean, over_persons(to_protected, persons)[0], persons


if __name__ == "__main__":
    run(main)
