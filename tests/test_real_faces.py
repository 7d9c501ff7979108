"""Tests on real faces. CelebA may not be redistributed, so the environment variable CELEBA names its folder."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from pfgvm.faces.images import decode, to_size
from pfgvm.faces.sources import open_source
from pfgvm.faces.subset import select_subset
from pfgvm.models import dlib_face, dlib_file
from tests.project import ROOT

# By default where `make celeba` puts it.
CELEBA = Path(os.environ.get("CELEBA", ROOT / "data/celeba"))
pytestmark = pytest.mark.skipif(not CELEBA.is_dir(), reason=f"no CelebA faces in {CELEBA} (CELEBA=DIR names another)")


def test_the_papers_subset_can_be_drawn():
    subset = select_subset(open_source("celeba", CELEBA), persons=30, images_per_person=30, seed=0)
    assert [len(images) for images in subset.images.values()] == [30] * 30


def test_dlibs_descriptor_separates_real_identities():
    source = open_source("celeba", CELEBA)
    subset = select_subset(source, persons=12, images_per_person=6, seed=0)
    persons = np.repeat(np.arange(12), 6)
    pixels = [
        to_size(decode(source.read(name), name), (218, 178)) for names in subset.images.values() for name in names
    ]
    images = torch.from_numpy(np.stack(pixels)).float() / 255
    with torch.no_grad():
        descriptors = dlib_file.load()(dlib_face.FaceChips((218, 178))(images))
    distances = torch.cdist(descriptors, descriptors).numpy()
    pairs = np.triu_indices(len(persons), k=1)
    same = persons[pairs[0]] == persons[pairs[1]]
    threshold = np.quantile(distances[pairs][~same], 0.01)
    # A few crops show a bystander; a damaged or misaligned network has almost no true match.
    assert (distances[pairs][same] < threshold).mean() > 0.8
