"""P-FGVM (shape): sizes, equation, independence of other images, and its random control."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pfgvm.attacks import p_fgvm_shape, random_shape
from pfgvm.attacks.common.shape import ShapeLightPixels, at_strength
from pfgvm.attacks.common.smooth_fields import SmoothField, displaced, shaded
from pfgvm.attacks.common.visual_weights import smoothness_weights
from pfgvm.errors import InputError
from pfgvm.faces.geometry import face_region

SIZE = (109, 89)
FACE = (slice(None), *face_region(SIZE))
NAMES = ["a.jpg", "b.jpg"]
SIZES = {"displacement": 0.8, "shading": 2.0, "pixels": 0.5}
# No mirrored views: the features of a mirrored mosaic are others.
SETTINGS = SIZES | {
    "step_size": 0.05, "iterations": 6, "penalty": 1.0, "views": 1, "scale": 0.1, "shift": 0.05, "mirror": False,
    "masking": 1.0, "chroma": 0.6, "seed": 3,
}  # fmt: skip


class Mosaic(nn.Module):
    """Eight random sums of the mean and the spread of brightness in blocks, which shape, light and pixels change."""

    def forward(self, images: Tensor) -> Tensor:
        grey = images.mean(dim=1, keepdim=True)
        means, squares = (nn.functional.avg_pool2d(values, 8) for values in (grey, grey**2))
        blocks = torch.cat([means, (squares - means**2).clamp(min=1e-6).sqrt()], dim=1).flatten(1)
        return blocks @ torch.randn((blocks.shape[1], 8), generator=torch.Generator().manual_seed(0)).to(blocks)


def images(count: int = 2) -> Tensor:
    """Smooth images with some texture, away from 0 and 1."""
    made = torch.rand((count, 3, 14, 12), generator=torch.Generator().manual_seed(1))
    smooth = nn.functional.interpolate(made, SIZE, mode="bicubic", align_corners=False)
    return (0.25 + 0.5 * smooth.clamp(0, 1) + 0.02 * torch.rand((count, 3, *SIZE))).clamp(0.2, 0.8)


def protect(x: Tensor, names: list[str] = NAMES, **changes: Any) -> tuple[Tensor, Any]:
    return p_fgvm_shape([Mosaic()], x, names, **SETTINGS | changes)


@pytest.fixture(scope="module")
def x() -> Tensor:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return images()


def distance(result: Tensor, x: Tensor) -> Tensor:
    return (Mosaic()(result) - Mosaic()(x)).norm(dim=1)


def test_each_part_has_its_size_on_the_face(x):
    result, (displacement, shading) = protect(x)
    length = displacement.norm(dim=1)[FACE]
    # In pixels of a 218 x 178 image, of which this one has half as many along a side.
    torch.testing.assert_close(length.mean(dim=(1, 2)), torch.full((2,), 0.4), rtol=0.02, atol=0)
    torch.testing.assert_close(shading[:, 0][FACE].abs().mean(dim=(1, 2)), torch.full((2,), 0.02), rtol=1e-4, atol=0)
    rest = result - shaded(displaced(x, displacement), shading)
    pixels = rest[(slice(None), *FACE)].abs().mean(dim=(1, 2, 3))
    torch.testing.assert_close(pixels, torch.full((2,), 0.005), rtol=1e-3, atol=0)


@pytest.mark.parametrize("part", SIZES)
def test_a_part_of_size_0_is_left_out_and_each_part_alone_moves_the_features(x, part):
    alone, (displacement, shading) = protect(x, **dict.fromkeys(SIZES, 0.0) | {part: SIZES[part]})
    assert bool(displacement.any()) == (part == "displacement") and bool(shading.any()) == (part == "shading")
    only = {name: size if name == part else 0.0 for name, size in SIZES.items()}
    random, _ = random_shape(x, NAMES, **only, seed=3)
    assert (distance(alone, x) > 1.5 * distance(random, x)).all()


def test_nothing_changes_without_any_part(x):
    result, _ = protect(x, **dict.fromkeys(SIZES, 0.0))
    torch.testing.assert_close(result, x, rtol=0, atol=1e-6)


def test_it_is_its_equation(x):
    """Two steps by hand, with a linear descriptor and views that change nothing."""
    still = {"scale": 0.0, "shift": 0.0}
    result, fields = protect(x, iterations=2, masking=0.0, chroma=1.0, **still)
    parts = ShapeLightPixels(x, **SIZES)
    z = [0.05 * part for part in parts.random(NAMES, 3, "shape, start")]
    clean = Mosaic()(x)
    for _ in range(2):
        z = [part.requires_grad_() for part in z]
        displacement, shading, pixels = (
            field.detach().requires_grad_() for field in parts.fields(*(part.detach() for part in z))
        )
        moved = displaced(x, displacement)
        x_adv = (moved + 2 * shading * moved * (1 - moved) + pixels).clamp(0, 1)
        loss = -((Mosaic()(x_adv) - clean).norm(dim=1) / clean.norm(dim=1)).sum()
        g_displacement, g_shading, g = torch.autograd.grad(loss, (displacement, shading, pixels))
        of_points = parts._shape.adjoint(g_displacement), parts._light.adjoint(g_shading), g
        z = [(part - 0.05 * (step + part)).detach() for part, step in zip(z, parts.normalised(*of_points), strict=True)]
    expected = parts.fields(*z)
    torch.testing.assert_close(fields.displacement, expected[0], rtol=0, atol=1e-3)
    torch.testing.assert_close(fields.shading, expected[1], rtol=0, atol=1e-4)
    torch.testing.assert_close(result, parts.render(*expected), rtol=0, atol=1e-3)


def test_an_image_does_not_depend_on_its_batch_or_order(x):
    both, fields = protect(x)
    swapped, _ = protect(x.flip(0), NAMES[::-1])
    torch.testing.assert_close(swapped.flip(0), both, rtol=0, atol=1e-5)
    # A batch of the same size: at another size, convolutions sum in another order.
    with_another, of_another = protect(torch.stack([x[1], x[0].flip(2)]), [NAMES[1], "c.jpg"])
    torch.testing.assert_close(with_another[0], both[1], rtol=0, atol=1e-5)
    torch.testing.assert_close(of_another.displacement[0], fields.displacement[1], rtol=0, atol=1e-4)
    assert not torch.equal(protect(x, seed=4)[0], both)


def test_a_displacement_of_any_size_never_folds(x):
    _, (displacement, _) = protect(x, displacement=50.0)
    columns, rows = np.indices(SIZE)[::-1] + displacement[0].double().numpy()
    across = np.gradient(columns, axis=1) * np.gradient(rows, axis=0)
    assert (across - np.gradient(columns, axis=0) * np.gradient(rows, axis=1)).min() > 0
    assert displacement.abs().max() > 1


def test_the_displacement_is_symmetric(x):
    for _, (displacement, shading) in (protect(x), random_shape(x, NAMES, **SIZES, seed=3)):
        mirrored = displacement.flip(3)
        torch.testing.assert_close(mirrored[:, 0], -displacement[:, 0], rtol=0, atol=1e-5)
        torch.testing.assert_close(mirrored[:, 1], displacement[:, 1], rtol=0, atol=1e-5)
        assert not torch.allclose(shading.flip(3), shading, atol=1e-3)


def test_lines_bend_less_than_skin():
    plain = torch.full((1, 3, *SIZE), 0.5)
    field = SmoothField(SIZE, (18, 15))
    assert (smoothness_weights(plain, field) == 1).all()
    striped = plain.clone()
    striped[..., :45, ::4] = 0.9
    weights = smoothness_weights(striped, field)[0, 0]
    assert weights[4, 8] < 0.5 and weights[-4, 8] == 1


def test_the_control_has_the_same_sizes_and_follows_the_name(x):
    result, (displacement, shading) = random_shape(x, NAMES, **SIZES, seed=3)
    length = displacement.norm(dim=1)[FACE]
    torch.testing.assert_close(length.mean(dim=(1, 2)), torch.full((2,), 0.4), rtol=0.02, atol=0)
    torch.testing.assert_close(shading[:, 0][FACE].abs().mean(dim=(1, 2)), torch.full((2,), 0.02), rtol=1e-4, atol=0)
    again, _ = random_shape(x[1:], NAMES[1:], **SIZES, seed=3)
    torch.testing.assert_close(again, result[1:], rtol=0, atol=1e-6)
    # Far less than the attack moves the features.
    assert (distance(protect(x)[0], x) > 1.5 * distance(result, x)).all()


def test_a_strength_multiplies_the_three_sizes():
    doubled = at_strength({**SIZES, "seed": 3}, 2.0)
    assert doubled == {"displacement": 1.6, "shading": 4.0, "pixels": 1.0, "seed": 3}


def test_no_image_gives_no_image():
    result, fields = protect(torch.zeros(0, 3, *SIZE), [])
    assert result.shape == (0, 3, *SIZE) and fields.displacement.shape == (0, 2, *SIZE)


@pytest.mark.parametrize("part", SIZES)
def test_a_negative_size_is_refused(x, part):
    with pytest.raises(InputError, match=part):
        protect(x, **{part: -1.0})


def test_shading_changes_mid_grey_most_and_keeps_black_white_and_order():
    grey = torch.linspace(0, 1, 256)
    for shading in (-0.49, -0.1, 0.1, 0.49):
        values = shaded(grey, torch.tensor(shading))
        torch.testing.assert_close(values[[0, -1]], grey[[0, -1]])
        assert (values.diff() > 0).all() and values.min() >= 0 and values.max() <= 1
        torch.testing.assert_close(shaded(torch.tensor(0.5), torch.tensor(shading)), torch.tensor(0.5 * (1 + shading)))
    np.testing.assert_allclose(shaded(grey.numpy(), np.float32(0.1)), shaded(grey, torch.tensor(0.1)), rtol=1e-6)
