"""How good protected images still look: means over the images."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pfgvm.evaluation.findings.sets import EvaluatedSet
from pfgvm.evaluation.quality.quality_metrics import LPIPS, QUALITY
from pfgvm.evaluation.statistics import mean_over_clusters

_NAMES = ("mssim", *(metric.name for metric in (*QUALITY, LPIPS)))
QUALITY_COLUMNS = ["model", "method", "images", *(name + end for name in _NAMES for end in ("", "_low", "_high"))]


def quality(sets: Sequence[EvaluatedSet], persons: Mapping[str, str], *, published: str) -> pd.DataFrame:
    """One row a set, in QUALITY_COLUMNS: each metric's mean over the published images and its 95 % interval.

    persons: by image; the interval is by bootstrap over them. PSNR, infinite for an unchanged image, counts the
    others; LPIPS is missing where nobody gave its weights.
    """
    rows: list[dict[str, Any]] = []
    for one in sets:
        shown = one.view(published)
        of = np.array([persons[image] for image in shown["image"].tolist()])
        row: dict[str, Any] = {"model": one.model, "method": one.method, "images": len(shown)}
        for name in [name for name in _NAMES if name in (shown.dtype.names or ())]:
            there = np.isfinite(shown[name])
            values = mean_over_clusters(shown[name][there], of[there])
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))
        rows.append(row)
    return pd.DataFrame(rows, columns=QUALITY_COLUMNS)
