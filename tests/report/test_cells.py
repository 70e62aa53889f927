"""Every CSV file that leaves the project: no cell is a formula, numbers stay numbers."""

import io

import numpy as np
import pandas as pd
import pytest

from draem_core.report.cells import CsvWriter, table_csv

HOSTILE = ["=1+1", "+1", "-1", "@a", "\tx", "＝1"]


def test_text_is_guarded_and_numbers_are_not():
    table = pd.DataFrame(
        {
            "=name": [*HOSTILE, "plain.png", None],
            "value": [-0.5, 1e-7, np.nan, 3.0, -1e30, 0.1, 2.0, -3.0],
            "label": pd.array([0, 1, None, 0, 1, 0, -1, 1], dtype="Int64"),
        }
    )
    back = pd.read_csv(io.BytesIO(table_csv(table)), dtype={"label": "Int64"})
    assert list(back.columns) == ["'=name", "value", "label"]
    assert list(back["'=name"][:7]) == [*(f"'{text}" for text in HOSTILE), "plain.png"]
    assert back["'=name"].isna().tolist() == [False] * 7 + [True]
    np.testing.assert_array_equal(back["value"], table["value"])
    assert back["label"].equals(table["label"])


def test_a_review_of_pictures_with_formulas_for_names():
    scores = pd.DataFrame(
        [[0.25, -0.5]], columns=["=cmd|' /C calc'!A0", "good/0.png"], index=pd.Index([3], name="epoch")
    )
    assert table_csv(scores, index=True).decode() == "epoch,'=cmd|' /C calc'!A0,good/0.png\n3,0.25,-0.5\n"


@pytest.mark.parametrize("text", HOSTILE)
def test_both_writers_guard_alike(text):
    written = io.StringIO()
    CsvWriter(written, [text])
    assert table_csv(pd.DataFrame(columns=[text])).decode() == written.getvalue()
