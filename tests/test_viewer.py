"""The data of the face viewer, and the first screen of the page."""

import io
import json
import re
from base64 import b64decode

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pfgvm.methods import PAPER_METHODS
from pfgvm.report.beside_paper import beside_paper
from pfgvm.report.formatted_table import FormattedTable
from pfgvm.report.headline import faces_sentence, headline
from pfgvm.report.report_page import in_script, render
from pfgvm.report.viewer import chosen_note, difference, embedded, in_turn, of_image, png
from tests.project import ROOT

RANDOM = np.random.default_rng(0)


def decoded(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).transpose(2, 0, 1)


def content(address: str) -> bytes:
    head, encoded = address.split(",")
    assert head in ("data:image/webp;base64", "data:image/jpeg;base64")
    return b64decode(encoded)


# ── Images ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_difference_restores_the_protected_image_exactly():
    clean, protected = RANDOM.integers(0, 256, (2, 3, 9, 7), np.uint8)
    stored = difference(clean, protected)
    assert stored.dtype == np.uint8
    assert np.array_equal((clean.astype(int) + stored - 128) % 256, protected)
    assert (difference(clean, clean) == 128).all()


def test_images_are_stored_exactly_by_default():
    pixels = RANDOM.integers(0, 256, (3, 9, 7), np.uint8)
    assert np.array_equal(decoded(png(pixels)), pixels)
    assert np.array_equal(decoded(content(embedded(pixels))), pixels)
    smooth = np.broadcast_to(np.linspace(0, 255, 64).astype(np.uint8), (3, 64, 64)).copy()
    lossy = decoded(content(embedded(smooth, exact=False))).astype(int)
    assert 0 < np.abs(lossy - smooth).max() < 12


def test_a_stored_difference_is_smaller_than_a_second_face():
    y, x = np.mgrid[:60, :50]
    clean = np.stack([(3 * x + 40 * np.sin(y / 5)) % 200, 2 * y + x, 255 - 2 * x - y]).clip(0, 255).astype(np.uint8)
    clean = (clean + RANDOM.integers(0, 12, clean.shape)).clip(0, 255).astype(np.uint8)
    protected = (clean + RANDOM.integers(-2, 3, clean.shape)).clip(0, 255).astype(np.uint8)
    assert len(embedded(difference(clean, protected))) < 0.8 * len(embedded(protected))


# ── Which images ──────────────────────────────────────────────────────────────────────────────────────────────────


def scores_of(*rows: tuple) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["model", "method", "image", "person", "predicted", "mssim"])


def test_images_come_in_turn_of_every_model_method_and_outcome():
    named = [("A", "I-FGSM", f"n{i}", "a", "a", 0.9) for i in range(20)]
    missed = [("A", "I-FGSM", "m", "a", "b", 0.9), ("B", "X", "x", "a", "b", 0.9)]
    proposed = [("A", "P-FGVM", "most", "a", "b", 0.5), ("A", "P-FGVM", "least", "a", "b", 0.99)]
    order = in_turn(scores_of(*named, *missed, *proposed), ["n7"], seed=0)
    assert len(order) == 24 and set(order) == {row[2] for row in (*named, *missed, *proposed)}
    assert order[:3] == ["n7", "most", "least"]
    # One of each of the four groups, of any size.
    assert {"m", "x"} <= set(order[:6]) and len({image for image in order[:6] if image[0] == "n"}) <= 2
    shuffled = scores_of(*named[::-1], *proposed, *missed[::-1])
    assert in_turn(shuffled, ["n7"], seed=0) == order != in_turn(shuffled, ["n7"], seed=1)


def test_the_row_of_a_set_has_its_scores_and_recognition_results():
    scores = scores_of(
        ("A", "P-FGVM", "i", "a", "b", 0.5), ("B", "P-FGVM", "i", "a", "a", 0.6), ("A", "X", "j", "a", "a", 0.7)
    )
    scores = scores.assign(target="c", predicted_clean="a", confidence_clean=0.9, confidence=0.8, l2=1.5)
    recognised = pd.DataFrame(
        [("A", "P-FGVM", "sface", "i", 0.9, 0.2, 1, 4), ("A", "P-FGVM", "sface", "j", 0.5, 0.5, 1, 1)],
        columns=[
            "model",
            "method",
            "recogniser",
            "image",
            "tmr_clean",
            "tmr_protected",
            "rank_clean",
            "rank_protected",
        ],
    )
    first, second = of_image("i", scores, recognised)
    assert (first["model"], first["mssim"], first["predicted"]) == ("A", 0.5, "b")
    assert first["recognised"] == {"sface": [0.9, 0.2, 1, 4]} and second["recognised"] == {}
    unknown = recognised.assign(tmr_clean=np.nan, tmr_protected=np.nan)
    assert next(of_image("i", scores, unknown))["recognised"] == {"sface": [None, None, 1, 4]}


def test_the_note_states_how_many_images_are_left_out():
    assert "All 16" in chosen_note(16, 16) and "3 of the 60" in chosen_note(3, 60)


# ── The first screen ──────────────────────────────────────────────────────────────────────────────────────────────


PAPER = {
    "table3": {m: {name: {"l2": 3.0, "si": 0.98, "mr": 0.99} for name in PAPER_METHODS} for m in "AB"},
    "table4": {"A": {"image_height": 200, "image_width": 100}},
}


def row(model: str, method: str, l2: float, mr: float) -> dict:
    return {"model": model, "method": method, "pixels": "float", "l2": l2, "mssim_legacy": 0.97, "mr": mr, "images": 50}


def made_report(differences: dict[str, tuple], mr: dict[str, float]) -> dict:
    rows = [row("A", name, 2.5, mr.get(name, 1.0)) for name in PAPER_METHODS]
    apart = [
        {"model": "A", "baseline": name, "measure": "l2", "difference": d, "low": low, "high": high}
        for name, (d, low, high) in differences.items()
    ]
    run = {"descriptors": {"A": "none"}, "source": "celeba", "persons": 30, "images": {"train": 630, "test": 270}}
    run |= {"image_width": 50, "image_height": 100}
    return {"table3": rows, "differences": apart, "table4": [{"model": "A", "test_accuracy": 0.719}], "run": run}


LESS = (-0.62, -0.74, -0.5)


@pytest.mark.parametrize(
    ("i_fgsm", "mr", "denied", "numbers"),
    [
        (LESS, {"I-FGVM": 0.967}, False, ("+0.62 (+0.50 to +0.74)", "50 images", "I-FGVM 96.7 %, I-FGSM 100.0 %")),
        ((0.2, 0.1, 0.3), {}, True, ("−0.20 (−0.30 to −0.10)",)),
        ((-0.2, -0.5, 0.1), {}, True, ("+0.20 (−0.10 to +0.50)",)),
        # A baseline that fails often is not compared.
        ((0.2, 0.1, 0.3), {"I-FGSM": 0.89}, False, ("I-FGSM 89.0 %", "MR of I-FGSM is too low")),
        (LESS, {"I-FGSM": 0.5, "I-FGVM": 0.5}, None, ("MR of I-FGVM and I-FGSM is too low",)),
    ],
)
def test_the_claim_follows_from_the_differences(i_fgsm, mr, denied, numbers):
    [finding] = headline(made_report({"I-FGVM": (-1.1, -1.2, -1.02), "I-FGSM": i_fgsm}, mr))
    assert finding.claim.startswith("On Model A, ") and "P-FGVM" in finding.claim and "2.50" in finding.claim
    assert ("no baseline" in finding.claim) == (denied is None) and ("not" in finding.claim) == (denied is True)
    assert all(number in finding.numbers for number in numbers)
    assert ("+1.10 (+1.02 to +1.20)" in finding.numbers) == (denied is not None)
    assert all(len(sentence.split()) <= 25 for sentence in [finding.claim, *finding.numbers.split(". ")])


def test_the_faces_are_named():
    sentence = faces_sentence(made_report({}, {}))
    assert all(part in sentence for part in ("CelebA", "30 identities", "900 images of 50 x 100", "Model A", "71.9 %"))


def test_beside_the_paper_l2_is_compared_at_its_size():
    # A quarter of the pixels: L2 counts twice.
    table = dict(beside_paper([row("A", "P-FGVM", 1.7, 0.9), row("A", "I-FGVM", 2.0, 1.0)], PAPER, (100, 50)))
    l2, si, mr = table["P-FGVM"]["A"]
    assert (l2.ours, l2.paper, l2.words, l2.kind) == ("3.40", "3.00", "near", "near")
    assert (si.ours, si.words, si.kind) == ("0.970", "0.010 less", "less")
    assert (mr.ours, mr.words, mr.kind) == ("90.0 %", "9.0 points less", "less")
    assert table["I-FGVM"]["A"][0].words == "1.00 more"
    assert {cell.words for cell in table["I-FGSM"]["A"]} == {"not run"}


# ── Markup ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_no_name_can_close_a_script():
    written = in_script({"name": "</script><b>", "script": "<!--"})
    assert "<" not in written and json.loads(written) == {"name": "</script><b>", "script": "<!--"}


def test_code_is_marked_and_all_else_escaped():
    templates = {"t": "{{ text | code }}"}
    assert render("t", templates, text="see `a <b>` & <i>") == "see <code>a &lt;b&gt;</code> &amp; &lt;i&gt;\n"


def test_terms_are_explained_and_names_of_methods_do_not_wrap():
    html = render("t", {"t": "{{ text | terms }}"}, text="the MR of P-FGVM & 5 %, not TMRS")
    assert re.fullmatch(
        'the <abbr title="Misclassification rate[^"<]*">MR</abbr> of <span class="name">P-FGVM</span> &amp; 5\xa0%, '
        "not TMRS\n",
        html,
    )


@pytest.mark.parametrize(("rows", "folded"), [(30, False), (31, True)])
def test_a_long_table_is_folded(rows: int, folded: bool):
    macros = (ROOT / "reports/page/macros.html.j2").read_text("utf-8")
    templates = {"macros.html.j2": macros, "t": "{% from 'macros.html.j2' import table with context %}{{ table(t) }}"}
    html = render("t", templates, t=FormattedTable("table:x", "X", "all", [("", "n"), ("", "m")], [["1", "2"]] * rows))
    assert html.count("<td") == 2 * rows
    assert ("31 rows</summary>" in html) == ("</details>" in html) == folded
