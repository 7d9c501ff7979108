"""Smooth fields of cubic B-splines, and the displacement of pixels."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import BSpline

from pfgvm.attacks.common.smooth_fields import INJECTIVE, SmoothField, displaced

SIZE, CELLS = (218, 178), (18, 15)


def points(seed: int, channels: int = 2) -> torch.Tensor:
    field = SmoothField(SIZE, CELLS)
    return torch.randn((1, channels, *field.shape), generator=torch.Generator().manual_seed(seed))


def test_a_field_is_the_spline_of_its_control_points():
    field, values = SmoothField(SIZE, CELLS), points(0, 1)
    axes = []
    for size, cells in zip(SIZE, CELLS, strict=True):
        knots = np.arange(-3, cells + 4)
        at = (np.arange(size) + 0.5) / size * cells
        axes.append(BSpline.design_matrix(at, knots.astype(float), 3).toarray())
    expected = axes[0] @ values[0, 0].numpy() @ axes[1].T
    np.testing.assert_allclose(field(values)[0, 0], expected, rtol=0, atol=2e-6)


def test_the_adjoint_is_that_of_the_field():
    field, values = SmoothField(SIZE, CELLS), points(0)
    image = torch.rand((1, 2, *SIZE), generator=torch.Generator().manual_seed(1))
    assert (field(values) * image).sum().item() == pytest.approx((values * field.adjoint(image)).sum().item(), rel=1e-4)


def test_a_field_of_inner_points_vanishes_smoothly_at_the_border():
    field = SmoothField(SIZE, CELLS)
    values = field(points(0) * field.inner())
    assert values.abs().max() > 1
    frame = torch.ones(SIZE, dtype=torch.bool)
    frame[1:-1, 1:-1] = False
    # Value, slope and curvature are zero at the edge, so the outermost pixels are of the third order.
    assert values[0, :, frame].abs().max() < 1e-3


# The worst case first: neighbouring points move in opposite directions.
def opposite() -> torch.Tensor:
    rows, columns = np.indices(SmoothField(SIZE, CELLS).shape)
    return torch.tensor(np.stack([(-1.0) ** columns, (-1.0) ** rows]), dtype=torch.float32)[None]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_a_displacement_within_the_limit_never_folds(seed, sharp):
    field = SmoothField(SIZE, CELLS)
    signs = points(seed).sign() if sharp else opposite() * points(seed)[:, :, :1, :1].sign()
    limit = INJECTIVE * torch.tensor(field.spacing[::-1]).view(1, 2, 1, 1)
    x, y = (field(limit * signs).double()[0] + torch.tensor(np.stack(np.indices(SIZE)[::-1]))).numpy()
    jacobian = np.gradient(x, axis=1) * np.gradient(y, axis=0) - np.gradient(x, axis=0) * np.gradient(y, axis=1)
    assert jacobian.min() > 0


def test_beyond_the_limit_it_can_fold():
    field = SmoothField(SIZE, CELLS)
    beyond = 1.5 * torch.tensor(field.spacing[::-1]).view(1, 2, 1, 1)
    x, y = (field(beyond * opposite()).double()[0] + torch.tensor(np.stack(np.indices(SIZE)[::-1]))).numpy()
    assert (np.gradient(x, axis=1) * np.gradient(y, axis=0)).min() < 0


def test_a_whole_pixel_moves_the_image():
    images = torch.rand((2, 3, 9, 11), generator=torch.Generator().manual_seed(0))
    right = torch.zeros(2, 2, 9, 11)
    right[:, 0] = 1
    moved = displaced(images, right)
    torch.testing.assert_close(moved[..., :-1], images[..., 1:], rtol=0, atol=1e-5)
    torch.testing.assert_close(moved[..., -1], images[..., -1], rtol=0, atol=1e-5)
    down = right.flip(1)
    torch.testing.assert_close(displaced(images, down)[..., :-1, :], images[..., 1:, :], rtol=0, atol=1e-5)
    torch.testing.assert_close(displaced(images, 0 * down), images, rtol=0, atol=1e-5)
