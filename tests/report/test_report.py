"""Exports: a spreadsheet runs nothing, the page loads nothing and escapes everything, and the counts are right."""

import csv
import io
import json
import re
import zipfile
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from draem_core.data.images import encode_png
from draem_core.errors import ImageError
from draem_core.metrics import Counts
from draem_core.postprocess import PostProcess
from draem_core.recipe import Computation, Measured, Recipe, parse_recipe
from draem_core.report import Report, ReportImage, html_report, verdicts_csv, verdicts_json, write_mask_archive
from draem_core.report.cells import CsvWriter, guarded
from draem_core.report.plots import histogram, precision_recall, roc
from draem_core.types import Calibration, Card

HOSTILE = "<img src=x onerror=alert(1)>.png"
FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\n=1", "＝1")
CARD = Card(
    name="bracket",
    flavour="ours",
    widths=(8, 4),
    input_size=(64, 96),
    resize_filter="bilinear_antialias",
    color_order="RGB",
    concat_order="image_first",
    score_rule="max",
    digest="0123456789abcdef" * 4,
)
IMAGES = (
    ReportImage("good/0.png", "good", 0, 0.2, 0.125),
    ReportImage("good/1.png", "good", 0, 0.9, 0.875),  # false alarm
    ReportImage("good/2.png", "good", 0, 0.9, -np.inf),
    ReportImage("crack/0.png", "crack", 1, 0.9, 0.875),
    ReportImage("crack/1.png", "crack", 1, 0.6, 0.625),  # unsure
    ReportImage("crack/2.png", "crack", 1, 0.2, 0.25),  # missed
    ReportImage("new.png", "", None, 0.9, 0.8125),
)
MEASURED = Measured(
    dataset="bracket",
    good=3,
    defect=3,
    tuned_on_these=True,
    figures={"image_f1": 0.5, "image_f1_low": 0.25, "image_f1_high": 0.75, "aupro": None, "regions_found": 12},
)


def make(images=IMAGES, card=CARD, measured=(MEASURED,), warnings=(), note=""):
    """Report of a recipe with NG above 0.75 and unsure above 0.5."""
    recipe = Recipe.of(
        card,
        PostProcess(0.25, 3, 4),
        Computation(device="cpu", asked="auto", precision="float32"),
        unsure_sensitivity=0.5,
        measured=measured,
        note=note,
    )
    grey = encode_png(np.full((40, 60), 90, np.uint8))
    return Report(recipe, card, tuple(images), lambda index: grey, mask_of, warnings)


def mask_of(index):
    mask = np.zeros((64, 96), bool)
    mask[8 : 16 + index, 8:40] = True
    return mask


class Elements(HTMLParser):
    """Every element of a page with its attributes, and its text."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.text = [], []
        self.feed(page.decode())

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text.append(data)


def test_counts_that_a_reader_can_check():
    report = make()
    assert report.zones == ("OK", "NG", "OK", "NG", "unsure", "OK", "NG")
    assert report.counts == Counts(tp=1, fp=1, fn=2, tn=2)
    assert report.groups == {
        "good": {"OK": 2, "NG": 1},
        "defect": {"OK": 1, "unsure": 1, "NG": 1},
        "unlabelled": {"NG": 1},
    }
    # missed by 0.5; by 0.125 an unsure defect and a false alarm; right by 0.125, by 0.625, by any margin
    assert report.most_wrong(10) == [5, 1, 4, 3, 0, 2]
    assert report.most_wrong(1) == [5]
    unlabelled = [ReportImage(str(score), "", None, score, score) for score in (0.1, 0.9, 0.5)]
    assert make(unlabelled).most_wrong(2) == [1, 2], "without labels: the highest scores"


def test_csv_keeps_numbers_as_numbers():
    rows = list(csv.DictReader(io.StringIO(verdicts_csv(make()).decode(), newline="")))
    assert [row["file"] for row in rows] == [image.name for image in IMAGES]
    assert [row["zone"] for row in rows] == list(make().zones)
    assert [row["label"] for row in rows] == ["0", "0", "0", "1", "1", "1", ""]
    assert [float(row["peak"]) if row["peak"] else -np.inf for row in rows] == [
        image.postprocessed_score for image in IMAGES
    ]
    assert {row["normalised_peak"] for row in rows} == {""}
    calibration = Calibration(pixel_threshold=0.5, pixel_min=0.0, pixel_max=1.0)
    calibrated = make(card=CARD.model_copy(update={"calibration": calibration}))
    rows = list(csv.DictReader(io.StringIO(verdicts_csv(calibrated).decode(), newline="")))
    assert rows[1]["normalised_peak"] == "0.875"


@pytest.mark.parametrize("start", FORMULAS)
def test_no_cell_is_a_formula(start):
    images = [ReportImage(f"{start}{HOSTILE}", f"{start}kind", 1, 0.5, 0.5)]
    row = next(csv.DictReader(io.StringIO(verdicts_csv(make(images)).decode(), newline="")))
    assert row["file"] == f"'{start}{HOSTILE}"
    assert row["kind"] == f"'{start}kind"


def test_a_name_does_not_begin_a_row_of_its_own():
    images = [ReportImage("a\r=1+1.png", "\r=1", 1, 0.5, 0.5)]
    rows = list(csv.reader(io.StringIO(verdicts_csv(make(images)).decode(), newline="")))
    assert len(rows) == 2
    assert rows[1][:2] == ["a\\r=1+1.png", "'\\r=1"]


@given(st.lists(st.text() | st.floats(allow_nan=False) | st.integers() | st.none(), min_size=2))
def test_any_row_comes_back(cells):
    file = io.StringIO(newline="")
    CsvWriter(file, ["column"]).write(cells)
    read = list(csv.reader(io.StringIO(file.getvalue(), newline="")))[1]
    for cell, text in zip(cells, read, strict=True):
        if isinstance(cell, str):
            assert text == guarded(cell)
            assert not text.startswith(("=", "+", "-", "@", "\t", "\r"))
        else:
            assert text == ("" if cell is None else str(cell))
    file.getvalue().encode()


def test_json_can_be_read_by_a_strict_reader():
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    report = make()
    content = json.loads(verdicts_json(report), parse_constant=refuse)
    assert content["images"][2]["peak"] is None, "nothing survives there"
    assert content["images"][4] == {
        "file": "crack/1.png",
        "kind": "crack",
        "label": 1,
        "zone": "unsure",
        "score": 0.6,
        "peak": 0.625,
        "normalised_peak": None,
    }
    assert content["counts"]["defect"] == {"OK": 1, "unsure": 1, "NG": 1}
    assert parse_recipe(json.dumps(content["recipe"]).encode(), "inside") == report.recipe


def test_the_archive_holds_the_masks_and_whose_they_are():
    names = ["a/0.png", "a/0.jpg", "../../etc/passwd", "A/0.bmp", "=x.png"]
    report = make([ReportImage(name, "", None, 0.5, 0.5) for name in names])
    archives = []
    for _ in range(2):
        file = io.BytesIO()
        write_mask_archive(report, file)
        archives.append(file.getvalue())
    assert archives[0] == archives[1]
    with zipfile.ZipFile(io.BytesIO(archives[0])) as archive:
        masks = ["masks/a/0.png", "masks/a/0-2.png", "masks/etc/passwd.png", "masks/A/0-3.png", "masks/_x.png"]
        assert archive.namelist() == [*masks, "verdicts.csv", "recipe.json"]
        for index, name in enumerate(masks):
            pixels = np.asarray(Image.open(archive.open(name)))
            np.testing.assert_array_equal(pixels, mask_of(index) * np.uint8(255))
        assert parse_recipe(archive.read("recipe.json"), "inside") == report.recipe


def test_the_page_loads_nothing_and_runs_nothing():
    page = html_report(make())
    assert not re.search(rb"https?:|//[a-z]|@import|url\((?!#)", re.sub(rb"base64,[^\"]*", b"", page), re.IGNORECASE)
    elements = Elements(page).elements
    policy = next(found["content"] for _, found in elements if found.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "script" not in {tag for tag, _ in elements}
    assert all(found["src"].startswith("data:image/jpeg;base64,") for tag, found in elements if tag == "img")
    assert sum(tag == "img" for tag, _ in elements) == 2 * 6
    assert sum(tag == "svg" for tag, _ in elements) == 3


def test_every_text_is_escaped():
    images = [ReportImage(HOSTILE, HOSTILE, 1, 0.5, 0.5), ReportImage(f'"{HOSTILE}\udc80', "good", 0, 0.1, 0.1)]
    card = CARD.model_copy(update={"name": HOSTILE, "training": {HOSTILE: HOSTILE}})
    measured = MEASURED.model_copy(update={"dataset": HOSTILE, "split": HOSTILE, "figures": {HOSTILE: 0.5}})
    page = html_report(make(images, card, (measured,), (HOSTILE,), HOSTILE))
    assert b"<img src=x" not in page
    found = Elements(page)
    assert not any("onerror" in attributes for _, attributes in found.elements)
    shown = [text for text in found.text if HOSTILE in text]
    assert len(shown) >= 10, "and it is shown as it is called"


def test_the_page_is_honest():
    def text(*measured):
        return " ".join(Elements(html_report(make(measured=measured, warnings=("Only 3 defects.",)))).text)

    checked = MEASURED.model_copy(update={"tuned_on_these": False, "split": "checking half"})
    tuned = text(MEASURED)
    assert "chosen on the same images" in tuned
    assert "optimistic" in tuned
    assert "0.500 (95 %: 0.250 – 0.750)" in tuned
    assert "undefined" in tuned
    assert "12" in tuned.split(), "a count is no 12.000"
    assert "Only 3 defects." in tuned
    assert "checking half" in text(MEASURED, checked)
    assert "optimistic" not in text(checked)
    assert "not measured" in text()


@pytest.mark.parametrize("label", [0, 1, None])
def test_without_one_class_the_curves_are_undefined_with_a_reason(label):
    images = [ReportImage("a.png", "", label, 0.5, 0.5), ReportImage("b.png", "", label, 0.5, -np.inf)]
    found = Elements(html_report(make(images)))
    assert sum(tag == "svg" for tag, _ in found.elements) == 1
    assert "undefined" in " ".join(found.text)
    assert "nan" not in "".join(found.text).lower().split()


def test_a_report_of_no_images_and_one_of_pictures_that_cannot_be_read():
    assert b"There is no image" in html_report(make([]))

    def broken(index):
        raise ImageError("gone.png does not exist; check the path.")

    report = make()
    page = html_report(Report(report.recipe, report.card, report.images, broken, mask_of))
    assert page.count(b"cannot be read") == 6


def test_the_present_point_lies_on_both_curves():
    report = make()
    assert report.counts.recall == pytest.approx(1 / 3)
    assert report.counts.false_alarm_rate == pytest.approx(1 / 3)
    for plot in (histogram, roc, precision_recall):
        svg = plot(report)
        assert svg.startswith('<svg role="img"')
        assert "currentColor" in svg
        assert "#010203" not in svg
        assert "xmlns" not in svg
