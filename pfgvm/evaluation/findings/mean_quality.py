"""Mean visual quality of protected images, and mean visibility of their perturbations."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pfgvm.evaluation.findings.sets import EvaluatedSet
from pfgvm.evaluation.quality.quality_metrics import LPIPS, QUALITY, VISIBILITY
from pfgvm.evaluation.statistics import mean_over_clusters

_NAMES = ("mssim", *(metric.name for metric in (*QUALITY, LPIPS, *VISIBILITY)))
QUALITY_COLUMNS = ["model", "method", "images", *(name + end for name in _NAMES for end in ("", "_low", "_high"))]


def quality(sets: Sequence[EvaluatedSet], persons: Mapping[str, str], *, published: str) -> pd.DataFrame:
    """One row per set, in QUALITY_COLUMNS: mean of each metric over published images, with its 95 % interval.

    persons: identity by image; the interval is by bootstrap over identities. PSNR excludes unchanged images, where it
    is infinite. LPIPS is missing without its weights.
    """
    rows: list[dict[str, Any]] = []
    for image_set in sets:
        published_rows = image_set.view(published)
        identities = np.array([persons[image] for image in published_rows["image"].tolist()])
        row: dict[str, Any] = {"model": image_set.model, "method": image_set.method, "images": len(published_rows)}
        for name in [name for name in _NAMES if name in (published_rows.dtype.names or ())]:
            is_finite = np.isfinite(published_rows[name])
            values = mean_over_clusters(published_rows[name][is_finite], identities[is_finite])
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))
        rows.append(row)
    return pd.DataFrame(rows, columns=QUALITY_COLUMNS)
