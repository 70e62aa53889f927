"""The verdicts as CSV and as JSON."""

import io
import json
import math

from draem_core.evaluation.calibration import normalised_pixel
from draem_core.recipe import recipe_json
from draem_core.report.cells import CsvWriter
from draem_core.report.content import Report, ReportImage

COLUMNS = ("file", "kind", "label", "zone", "score", "peak", "normalised_peak")


def verdicts_csv(report: Report) -> bytes:
    """Return a row for each image, UTF-8; a score of −∞ is an empty cell, and no cell is ever run as a formula."""
    text = io.StringIO(newline="")
    table = CsvWriter(text, COLUMNS)
    for row in _rows(report):
        table.write(row[column] for column in COLUMNS)
    return text.getvalue().encode()


def verdicts_json(report: Report) -> bytes:
    """Return {"recipe", "warnings", "counts", "images"}; ``images`` has the CSV's columns, and null for −∞."""
    content = {
        "recipe": json.loads(recipe_json(report.recipe)),
        "warnings": list(report.warnings),
        "counts": {group: dict(zones) for group, zones in report.groups.items()},
        "images": _rows(report),
    }
    return json.dumps(content, indent=1, allow_nan=False).encode()


def _rows(report: Report) -> list[dict[str, str | int | float | None]]:
    return [
        {
            "file": image.name,
            "kind": image.kind,
            "label": image.label,
            "zone": zone,
            "score": float(image.score),
            "peak": float(image.postprocessed_score) if math.isfinite(image.postprocessed_score) else None,
            "normalised_peak": _normalised(report, image),
        }
        for image, zone in zip(report.images, report.zones, strict=True)
    ]


def _normalised(report: Report, image: ReportImage) -> float | None:
    calibration = report.recipe.checkpoint.calibration
    return normalised_pixel(float(image.postprocessed_score), calibration) if calibration else None
