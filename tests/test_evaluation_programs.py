"""The evaluation's programs on a few faces: their output, compared with direct calls of the library."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import sklearn  # noqa: F401  # sets environment variables as it loads, not within a test
import torch
from onnx import helper
from ruamel.yaml import YAML
from skimage.metrics import peak_signal_noise_ratio
from torchvision.models import alexnet

from pfgvm import seeding
from pfgvm.attacks import gaussian_blur
from pfgvm.attacks.common.context import Context, ShapeAndLight
from pfgvm.attacks.common.smooth_fields import displaced
from pfgvm.attacks.methods.random_equal_l2 import random_control
from pfgvm.evaluation.detectability import features
from pfgvm.evaluation.findings.visibility_rates import MEASURES
from pfgvm.evaluation.metrics import mssim
from pfgvm.evaluation.quality.quality_metrics import QUALITY, VISIBILITY, ImagePair
from pfgvm.evaluation.recognition.alignment import chips
from pfgvm.evaluation.transforms import POST_PROCESSING, PURIFIERS, TRANSFORMS
from pfgvm.models.target_models import Recipe
from pfgvm.settings import Attack
from stages.adversarial.adversarial_set import row_type
from stages.common.data_frames import read_table
from stages.common.face_archive import read_images, write_faces
from stages.common.program import read_settings
from stages.evaluation import adaptive, calibration, evaluate, gallery, quality, recognition, robustness, strengths
from stages.evaluation import visibility as visibility_stage
from stages.evaluation.evaluated_set import read_enrolments, read_evaluated
from stages.evaluation.image_forms import CONTROL, PUBLISHED, VIEWS
from stages.networks.trained_model import TrainedModel
from tests.committed_settings import changed
from tests.faces_on_disk import celeba, people, picture
from tests.hand_made_sets import EVERYONE, ROW, axes, person_of
from tests.records import training_record

SIZE = (48, 40)
CLASSES = ["a", "b", "c"]
FUNCTIONS = {metric.name: metric.function for metric in (*QUALITY, *VISIBILITY)}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A working directory with the committed settings and changes (__ for the dot)."""
    monkeypatch.chdir(tmp_path)

    def configured(**changes: object) -> Path:
        values = changed({key.replace("__", "."): value for key, value in changes.items()})
        YAML(typ="safe", pure=True).dump(values, tmp_path / "params.yaml")
        return tmp_path

    return configured


# ── Clean images ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_only_other_persons_set_the_thresholds(project):
    folder = project()
    faces = people(6, 4)
    # One of the other identities has a single image.
    faces["60"] = dict(list(faces["60"].items())[:1])
    celeba(folder / "faces", faces)
    (folder / "subset.csv").write_text("image,person\n" + "".join(f"{image},20\n" for image in faces["20"]))
    files = {"subset": folder / "subset.csv", "calibration": folder / "drawn.csv", "faces": folder / "drawn.zip"}
    drawn = []
    for seed in range(6):
        project(
            evaluation__calibration={"persons": 3, "images_per_person": 2},
            data__source="celeba",
            data__root="faces",
            subset__seed=seed,
        )
        calibration.main(**files)
        table = read_table(files["calibration"])
        assert len(set(table["person"])) == 3 and "20" not in set(table["person"])
        assert all(image in faces[person] for image, person in table.itertuples(index=False))
        counts = table["person"].value_counts().to_dict()
        assert all(count == min(2, len(faces[person])) for person, count in counts.items())
        drawn.append(tuple(table["image"]))
    assert len(set(drawn)) > 1


def test_the_gallery_has_the_persons_recognised_and_the_others(faces_on_disk):
    folder = faces_on_disk["folder"]
    # Batches of 16, one of which contains both groups.
    groups = {"gallery": "a", "calibration": "x"}
    for group, person in groups.items():
        names = [f"{person}{number}.png" for number in range(13)]
        write_faces(names, lambda name: picture(name, size=SIZE[::-1]), folder / f"{group}.zip")
        lines = [f"{name},{person}{number % 3}\n" for number, name in enumerate(names)]
        (folder / f"{group}.csv").write_text("image,person\n" + "".join(lines))
    gallery.main(
        split=folder / "gallery.csv",
        faces=folder / "gallery.zip",
        calibration=folder / "calibration.csv",
        other_faces=folder / "calibration.zip",
        out=folder / "gallery.npy",
    )
    rows = np.load(folder / "gallery.npy")
    assert rows.dtype.names == ("image", "person", "group", "found", "embedding_found")
    assert rows["group"].tolist() == ["gallery"] * 13 + ["calibration"] * 13
    assert rows["person"].tolist() == [f"{person}{number % 3}" for person in "ax" for number in range(13)]
    for group in groups:
        part = rows[rows["group"] == group]
        pixels = read_images(folder / f"{group}.zip", part["image"].tolist(), SIZE)
        assert part["embedding_found"] == pytest.approx(embeddings(pixels), abs=1e-3)
    # Noise contains no face.
    assert not rows["found"].any()


# ── Adversarial sets ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def faces_on_disk(project, tmp_path: Path) -> dict[str, Any]:
    """Two models, five faces and a recogniser whose embedding is the aligned face."""
    # The recogniser's name is also that of a field.
    line = {"file": "mine.onnx", "input_size": [6, 5]}
    curves = {"evaluation__curves__images": 3, "evaluation__curves__strengths": [0.5, 2.0]}
    evaluation = {"evaluation__root": str(tmp_path), "evaluation__recognisers": {"found": line}}
    project(data__image_size=list(SIZE), device="cpu", attack__batch_size=4, **evaluation, **curves)
    x, y = (helper.make_tensor_value_info(name, 1, shape) for name, shape in (("x", [1, 3, 6, 5]), ("y", [1, 90])))
    graph = helper.make_graph([helper.make_node("Flatten", ["x"], ["y"])], "flat", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "mine.onnx")
    for name, descriptor in {"A": "none", "B": "dlib"}.items():
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = Recipe(name, len(CLASSES), SIZE, descriptor).build()
        record = training_record(name, classes=CLASSES, image_height=SIZE[0], image_width=SIZE[1])
        TrainedModel.write(network, record, tmp_path / "models" / name)
    images = [f"{number}.png" for number in range(5)]
    write_faces(images, lambda name: picture(name, size=SIZE[::-1]), tmp_path / "faces.zip")
    return {"folder": tmp_path, "images": images, "pixels": read_images(tmp_path / "faces.zip", images, SIZE)}


def written_set(
    faces_on_disk: dict[str, Any], method: str, *, attacked: bool = True, displaces: bool = False
) -> np.ndarray:
    """Write the faces with noise of σ = 0.05 as the set of `method`; attacked: with Model A as the attacked model."""
    noise = 0.05 * np.random.default_rng(1).normal(size=faces_on_disk["pixels"].shape)
    made = np.zeros(5, row_type(method, "none", faces_on_disk["images"], ["a"], SIZE, displaces=displaces))
    made["method"], made["image"] = method, faces_on_disk["images"]
    if attacked:
        made["model"], made["seen_by"], made["target"] = "A", "none", "a"
    made["pixels"] = np.clip(faces_on_disk["pixels"] + noise, 0, 1)
    np.save(faces_on_disk["folder"] / f"{method}.npy", made)
    return made


def evaluated(faces_on_disk: dict[str, Any], method: str) -> np.ndarray:
    """Run evaluate.py on the set of `method` and read its output."""
    folder = faces_on_disk["folder"]
    out = folder / "evaluated" / f"{method}.npy"
    evaluate.main(models=folder / "models", faces=folder / "faces.zip", adversarial=folder / f"{method}.npy", out=out)
    return np.load(out)


def predictions(faces_on_disk: dict[str, Any], model: str, values: torch.Tensor) -> list[str]:
    network = TrainedModel.read(faces_on_disk["folder"] / "models" / model).network(torch.device("cpu"))
    with torch.no_grad():
        return [CLASSES[person] for person in network(values).argmax(1).tolist()]


def embeddings(pixels: np.ndarray) -> np.ndarray:
    """The aligned faces of `pixels` in [0, 1], (n, 90), from 0 to 255."""
    return 255 * chips(pixels, (6, 5)).transpose(0, 3, 1, 2).reshape(len(pixels), -1)


def of_8_bit(pixels: np.ndarray) -> np.ndarray:
    return np.rint(255 * pixels).astype(np.uint8)


def as_float(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32) / np.float32(255)


def test_the_views_are_the_published_image_the_control_and_all_transforms():
    assert VIEWS[:2] == [PUBLISHED, CONTROL] == ["PNG", CONTROL]
    assert set(VIEWS) == {*POST_PROCESSING, *PURIFIERS, CONTROL} and len(set(VIEWS)) == len(VIEWS)


def test_an_image_is_evaluated_in_every_view(faces_on_disk):
    made = written_set(faces_on_disk, "p_fgvm")
    rows = evaluated(faces_on_disk, "p_fgvm")
    assert rows["view"].tolist() == VIEWS * 5
    assert rows["image"].tolist() == [image for image in faces_on_disk["images"] for _ in VIEWS]
    for name, value in {"method": "p_fgvm", "model": "A", "target": "a", "seen_by": "none"}.items():
        assert set(rows[name].tolist()) == {value}
    assert "lpips" not in rows.dtype.names

    protected, clean = of_8_bit(made["pixels"]), of_8_bit(faces_on_disk["pixels"])
    for view in set(VIEWS) - {CONTROL}:
        of_view = rows[rows["view"] == view]
        views = [as_float(np.stack([TRANSFORMS[view](image) for image in part])) for part in (protected, clean)]
        values, originals = map(torch.from_numpy, views)
        assert of_view["embedding_found"] == pytest.approx(embeddings(views[0]), abs=1e-3)
        assert of_view["mssim"] == pytest.approx(mssim(values, originals).numpy(), abs=1e-12)
        assert of_view["predicted_A"].tolist() == predictions(faces_on_disk, "A", values)
        # The other model, detector, metrics and features take the published image only.
        published = view == PUBLISHED
        assert of_view["predicted_B"].tolist() == (predictions(faces_on_disk, "B", values) if published else [""] * 5)
        for name in ("psnr", "ssimulacra2", "flip", "flip_close_p95"):
            assert (of_view[name] != 0).tolist() == [published] * 5
        assert of_view["features"].any(axis=1).tolist() == [published] * 5
    published = rows[rows["view"] == PUBLISHED]
    psnr = [peak_signal_noise_ratio(*pair) for pair in zip(clean, protected, strict=True)]
    assert published["psnr"] == pytest.approx(psnr)
    assert published["features"] == pytest.approx(np.stack([features(image) for image in protected]))


def test_a_displaced_image_is_compared_with_its_displaced_original(faces_on_disk):
    made = written_set(faces_on_disk, "p_fgvm", displaces=True)
    by = Displacing.displacement(1.5).expand(5, 2, *SIZE)
    made["displacement"], made["pixels"] = by, displaced(torch.from_numpy(faces_on_disk["pixels"]), by)
    np.save(faces_on_disk["folder"] / "p_fgvm.npy", made)
    rows = evaluated(faces_on_disk, "p_fgvm")
    published = rows[rows["view"] == PUBLISHED]
    assert (published["flip_displaced"] == 0).all() and (published["flip_close"] > 0.01).all()
    assert (published["displacement"] > 1.5).all()
    assert not rows["displacement"][rows["view"] != PUBLISHED].any()
    # All images are displaced alike, so the mean of the others is the displacement, and its removal the original.
    unwarped, clean = (rows[rows["view"] == "unwarped"], embeddings(faces_on_disk["pixels"]))
    distance = {"unwarped": np.abs(unwarped["embedding_found"] - clean).mean()}
    distance["published"] = np.abs(published["embedding_found"] - clean).mean()
    assert distance["unwarped"] < 0.3 * distance["published"]
    # Noise contains no face, so no landmarks.
    assert not rows["aligned"].any()


def test_the_control_is_the_clean_face_under_noise_of_the_same_l2(faces_on_disk):
    made = written_set(faces_on_disk, "p_fgvm")
    rows = evaluated(faces_on_disk, "p_fgvm")
    protected, originals = torch.from_numpy(made["pixels"].copy()), torch.from_numpy(faces_on_disk["pixels"])
    noisy = random_control(originals, protected, faces_on_disk["images"], seed=0).numpy()
    control = rows[rows["view"] == CONTROL]
    assert control["embedding_found"] == pytest.approx(embeddings(as_float(of_8_bit(noisy))), abs=1e-3)
    # About as different from the clean image as the protected one.
    assert control["mssim"] == pytest.approx(rows[rows["view"] == PUBLISHED]["mssim"], abs=0.02)
    assert control["mssim"].max() < 0.999


def test_without_an_attacked_model_all_models_predict_in_every_view(faces_on_disk):
    made = written_set(faces_on_disk, "clean", attacked=False)
    rows = evaluated(faces_on_disk, "clean")
    values = torch.from_numpy(as_float(of_8_bit(made["pixels"])))
    for model in "AB":
        predicted = rows[rows["view"] == PUBLISHED][f"predicted_{model}"]
        assert predicted.tolist() == predictions(faces_on_disk, model, values) and rows[f"predicted_{model}"].all()


def test_an_images_evaluation_does_not_depend_on_the_others(faces_on_disk):
    made = written_set(faces_on_disk, "p_fgvm")
    together = evaluated(faces_on_disk, "p_fgvm").reshape(5, -1)[[3, 1]].ravel()
    np.save(faces_on_disk["folder"] / "p_fgvm.npy", made[[3, 1]])
    alone = evaluated(faces_on_disk, "p_fgvm")
    assert all(np.array_equal(alone[name], together[name]) for name in alone.dtype.names)


def test_lpips_is_measured_with_the_weights_given(faces_on_disk, project):
    folder = faces_on_disk["folder"]
    written_set(faces_on_disk, "p_fgvm")
    weights = folder / "alexnet.pth"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.save(alexnet().state_dict(), weights)
    evaluation = {"evaluation__root": str(folder), "evaluation__lpips": weights.name}
    project(data__image_size=list(SIZE), device="cpu", evaluation__recognisers={"dlib": "installed"}, **evaluation)

    def measured() -> np.ndarray:
        rows = evaluated(faces_on_disk, "p_fgvm")
        return rows[rows["view"] == PUBLISHED]["lpips"]

    first = measured()
    assert (first > 0).all()
    # With other weights, finished batches are not reused.
    torch.save({name: value + 0.01 for name, value in torch.load(weights).items()}, weights)
    assert (measured() != first).all()


def at_strengths(faces_on_disk: dict[str, Any], method: str) -> np.ndarray:
    """Run strengths.py on the set of `method` and read its output."""
    folder = faces_on_disk["folder"]
    out = folder / "strengths" / f"{method}.npy"
    strengths.main(method=method, faces=folder / "faces.zip", adversarial=folder / f"{method}.npy", out=out)
    return np.load(out)


def test_an_attacks_perturbation_is_multiplied_by_the_strength(faces_on_disk):
    made = written_set(faces_on_disk, "p_fgvm")
    rows = at_strengths(faces_on_disk, "p_fgvm")
    # Three of the five images, drawn by the seed, at two strengths.
    drawn = set(seeding.shuffled(faces_on_disk["images"], 0, "curve images")[:3])
    assert set(rows["image"].tolist()) == drawn and len(rows) == 6
    assert set(rows["method"].tolist()) == {"p_fgvm"} and set(rows["seen_by"].tolist()) == {"none"}
    for row in rows:
        place = faces_on_disk["images"].index(row["image"])
        clean = faces_on_disk["pixels"][place]
        image = of_8_bit((clean + np.float32(row["strength"]) * (made["pixels"][place] - clean)).clip(0, 1))
        assert row["embedding_found"] == pytest.approx(embeddings(as_float(image)[None])[0], abs=1e-3)
        for name in MEASURES:
            assert row[name] == pytest.approx(FUNCTIONS[name](ImagePair(image, of_8_bit(clean))))


def test_a_conventional_method_runs_at_the_strength(faces_on_disk):
    written_set(faces_on_disk, "gaussian_blur", attacked=False)
    rows = at_strengths(faces_on_disk, "gaussian_blur")
    for row in rows:
        clean = torch.from_numpy(faces_on_disk["pixels"][[faces_on_disk["images"].index(row["image"])]])
        [blurred] = gaussian_blur(clean, sigma=0.03 * row["strength"]).numpy()
        expected = FUNCTIONS["mssim_face"](ImagePair(of_8_bit(blurred), of_8_bit(clean[0].numpy())))
        assert row["mssim_face"] == pytest.approx(expected)
    assert len({*rows["mssim_face"].tolist()}) == 6


class Displacing:
    """A method that displaces each image's pixels along x by `length`, a seventh of that along y."""

    def parameters(self, attack: Attack, model: str) -> dict[str, Any]:
        return {"descriptors": ["dlib"], "length": 1.5}

    def deidentify(self, context: Context, *, descriptors: list[str], length: float) -> torch.Tensor:
        [dlib] = context.descriptors(descriptors)
        assert dlib(context.images).shape == (4, 128) and len(context.names) == 4
        displacement = self.displacement(length * context.strength).expand(len(context.images), 2, *SIZE)
        context.shape_and_light = ShapeAndLight(displacement, torch.zeros(len(context.images), 1, *SIZE))
        return displaced(context.images, displacement)

    @staticmethod
    def displacement(length: float) -> torch.Tensor:
        return torch.tensor([length, length / 7], dtype=torch.float32)[:, None, None].expand(2, *SIZE)


def test_a_method_that_displaces_pixels_runs_at_the_strength(faces_on_disk, monkeypatch):
    monkeypatch.setattr(strengths, "load_method", lambda method: Displacing())
    # An empty file in place of Model B's weights: the installed ones.
    weights = faces_on_disk["folder"] / "data/installed-weights"
    weights.parent.mkdir()
    weights.touch()
    written_set(faces_on_disk, "p_fgvm", displaces=True)
    rows = at_strengths(faces_on_disk, "p_fgvm")
    assert len(rows) == 6
    for row in rows:
        clean = faces_on_disk["pixels"][faces_on_disk["images"].index(row["image"])]
        by = Displacing.displacement(1.5 * row["strength"])
        image = of_8_bit(displaced(torch.from_numpy(clean)[None], by[None]).numpy()[0])
        pair = ImagePair(image, of_8_bit(clean), by.numpy())
        assert row["embedding_found"] == pytest.approx(embeddings(as_float(image)[None])[0], abs=1e-3)
        assert {name: row[name] for name in MEASURES} == pytest.approx(
            {name: FUNCTIONS[name](pair) for name in MEASURES}
        )
        # No double edges: the image is its displaced original.
        assert row["flip_displaced"] == 0 < row["flip_face"]
    assert len({*rows["displacement"].tolist()}) == 2


# ── Tables ────────────────────────────────────────────────────────────────────────────────────────────────────────

EMBEDDINGS = [(f"embedding_{name}", np.float32, 3) for name in ("dlib", "sface")]


@pytest.fixture
def files(project) -> dict[str, Path]:
    """The inputs of the tables: a gallery, evaluated sets, sets at several strengths and the split."""
    folder, random, names = project(), np.random.default_rng(0), EVERYONE.split()
    crowd = [f"{chr(0x4E00 + i)}{j}" for i in range(32) for j in range(3)]
    enrolled = np.zeros(108, [("image", "U4"), ("person", "U4"), ("group", "U11"), *EMBEDDINGS])
    enrolled["image"], enrolled["group"] = names + crowd, ["gallery"] * 12 + ["calibration"] * 96
    enrolled["person"] = [person_of(image) for image in names + crowd]
    for name, *_ in EMBEDDINGS:
        enrolled[name] = np.concatenate([axes(EVERYONE), random.normal(size=(96, 3))])
    np.save(folder / "gallery.npy", enrolled)

    fields = [("method", "U20"), ("model", "U1"), ("seen_by", "U8")]
    results = [(name, ROW[name]) for name in ROW.names if not name.startswith("embedding_")]
    sets = {
        "any/clean": ["clean"],
        "any/external": ["tool", "other"],
        "A/p_fgvm": ["p_fgvm"],
        "B/p_fgvm": ["p_fgvm"],
    }
    for path, methods in sets.items():
        made = np.zeros((len(methods), 12, len(VIEWS)), np.dtype([*fields, *results, *EMBEDDINGS]))
        made["method"], made["image"], made["view"] = np.reshape(methods, (-1, 1, 1)), np.reshape(names, (-1, 1)), VIEWS
        attacked = path.endswith("p_fgvm")
        made["model"], made["seen_by"] = path[0] if attacked else "", "dlib" if path == "B/p_fgvm" else ""
        made["predicted_A"] = made["predicted_B"] = np.reshape([person_of(name) for name in names], (-1, 1))
        made["features"] = random.normal(size=(len(methods), 12, 1, 2)) + (0 if path == "any/clean" else 5)
        for name, *_ in EMBEDDINGS:
            made[name] = axes(EVERYONE, turn=int(attacked))[:, None]
        save(folder / "evaluated" / f"{path}.npy", made.ravel())

    row = [*fields, ("image", "U4"), ("strength", float), *((name, float) for name in MEASURES), *EMBEDDINGS]
    for path, method in {"B/p_fgvm": "p_fgvm", "any/pixelation": "pixelation"}.items():
        made = np.zeros((12, 2), row)
        made["method"], made["image"], made["strength"] = method, np.reshape(names, (-1, 1)), [0.5, 1.0]
        made["model"], made["seen_by"] = ("B", "dlib") if path == "B/p_fgvm" else ("", "")
        for name, *_ in EMBEDDINGS:
            made[name] = axes(EVERYONE)[:, None]
        save(folder / "strengths" / f"{path}.npy", made.ravel())
    # Other files are ignored.
    (folder / "evaluated" / "A" / "stray.npy").touch()
    split = "".join(f"{name},{person_of(name)},train\n" for name in names)
    (folder / "split.csv").write_text("image,person,split\n" + split)
    return {
        "evaluated": folder / "evaluated",
        "strengths": folder / "strengths",
        "gallery": folder / "gallery.npy",
        "split": folder / "split.csv",
    }


def save(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, values)


def test_sets_and_enrolments_are_read_from_their_files(files):
    sets = read_evaluated(files["evaluated"])
    # A set without an attacked model is a set of every model.
    assert [(x.model, x.method, x.seen_by) for x in sets] == [
        (model, method, "dlib" if (model, method) == ("B", "P-FGVM") else "")
        for model in "AB"
        for method in ("Clean", "P-FGVM", "other", "tool")
    ]
    assert all(x.view(CONTROL)["image"].tolist() == EVERYONE.split() for x in sets)
    dlib, sface = read_enrolments(files["gallery"], read_settings())
    assert (dlib.recogniser.distance, sface.recogniser.distance) == ("euclidean", "cosine")
    assert len(dlib.gallery.images) == 12 and len(dlib.others.images) == 96
    assert np.allclose(sface.gallery.embeddings, axes(EVERYONE)) and sface.thresholds[0].pairs == 96 * 93 // 2


def test_the_tables_have_a_row_for_each_set(files):
    inputs = {name: files[name] for name in ("evaluated", "gallery")}
    out = files["evaluated"].parent / "reports"
    recognition.main(**inputs, split=files["split"], out=out)
    robustness.main(**inputs, split=files["split"], out=out / "robustness.csv")
    adaptive.main(**inputs, out=out / "adaptive.csv")
    quality.main(evaluated=files["evaluated"], split=files["split"], out=out / "quality.csv")
    visibility_stage.main(strengths=files["strengths"], gallery=files["gallery"], out=out / "visibility.csv")
    tables = {path.stem: read_table(path) for path in out.glob("*.csv")}
    assert {name: len(table) for name, table in tables.items()} == {
        # sets x recognisers x rates
        "recognition": 8 * 2 * 2,
        "thresholds": 2 * 2,
        # images x other images of the same identity
        "pairs": 12 * 3,
        # sets x recognisers x identities
        "recognised_persons": 8 * 2 * 3,
        # sets x recognisers x images
        "recognised_images": 8 * 2 * 12,
        "transfer": 8,
        "robustness": 8 * len(POST_PROCESSING),
        # per recogniser, two retrained attackers and one growing gallery; the purifiers; a detector, not for clean sets
        "adaptive": 8 * (2 * 3 + 2) + 6,
        "quality": 8,
        # methods x strengths x recognisers
        "visibility": 2 * 2 * 2,
    }
    table = tables["recognition"]
    rates = table[table["fmr"] == "0.01"].groupby("method")["tmr_protected"].agg(set)
    assert rates.map(lambda values: {float(rate) for rate in values}).to_dict() == {
        "Clean": {1}, "tool": {1}, "other": {1}, "P-FGVM": {0},
    }  # fmt: skip
    assert table[table["seen"] == "True"].groupby(["model", "method", "recogniser"]).size().to_dict() == {
        ("B", "P-FGVM", "dlib"): 2
    }
    assert set(tables["visibility"]["method"]) == {"P-FGVM", "Pixelation"}
