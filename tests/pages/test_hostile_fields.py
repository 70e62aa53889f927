"""Whatever a link or a field holds, a page answers with its default or a sentence, never with a traceback."""

import shutil
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages._ui.components.inside_view import InsideSettings
from pages._ui.components.reviewer import ReviewSettings
from pages._ui.components.synthetic_view import SyntheticSettings
from pages._ui.components.tuner import TunerSettings
from pages._ui.components.viewer import ViewerSettings

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(path.name for path in (ROOT / "pages").glob("[0-9]_*.py"))
PLACES = ("image", "checkpoint", "dataset", "device", "precision", "lang", "lesson", "run", "other")
SETTINGS = (ViewerSettings, TunerSettings, ReviewSettings, InsideSettings, SyntheticSettings)
PARAMETERS = sorted({*PLACES, *(field.name for kind in SETTINGS for field in fields(kind))})
HOSTILE = {
    "many digits": "9" * 5000,
    "beyond 64 bit": "-9223372036854775809",
    "beyond a double": "1e999",
    "nan": "nan",
    "infinite": "-inf",
    "negative": "-1",
    "nul": "a\0b",
    "long": "ä" * 1000,  # in every parameter at once; Streamlit ignores addresses beyond half a million signs
    "upwards": "../../../../etc/passwd",
    "device": "/dev/stdin",
    "surrogate": "\udcff.png",
    "other digits": "٣²",
    "markup": "![p](http://evil.example/x.png)<img src=//evil.example>{0}%s",
    "empty": " ",
}


LINKS = {name: value for name, value in HOSTILE.items() if name != "surrogate"}  # which no browser sends


@pytest.fixture(scope="module", autouse=True)
def home(tiny_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the tiny home, as the app's."""
    folder = tmp_path_factory.mktemp("fields") / "home"
    shutil.copytree(tiny_home, folder)
    st.cache_data.clear()  # the pages remember for some seconds what files another test's home held
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRAEM_HOME", str(folder))
        patch.delenv("DRAEM_DATA", raising=False)
        yield folder
    st.cache_data.clear()


def page(name: str) -> AppTest:
    return AppTest.from_file(str(ROOT / "app.py"), default_timeout=300).switch_page(f"pages/{name}")


@pytest.mark.parametrize("name", PAGES)
def test_no_link_ends_in_a_traceback(name: str) -> None:
    ended = {}
    for said, value in LINKS.items():
        at = page(name)
        for parameter in PARAMETERS:
            at.query_params[parameter] = value
        at.run()
        ended |= {said: [one.message for one in at.exception]} if at.exception else {}
    assert ended == {}


def test_no_text_field_ends_in_a_traceback() -> None:
    ended = {}
    for said, value in LINKS.items():
        train, epochs = page("6_Train.py"), page("3_Epochs.py")
        for field in ("train_name", "train_anomaly_sources"):
            train.session_state[field] = value
        train.run()
        epochs.session_state["replay_folder"] = value
        epochs.run()
        next(one for one in epochs.button if one.label == "Make the review").click().run()
        problems = [one.message for one in (*train.exception, *epochs.exception)]
        ended |= {said: problems} if problems else {}
        assert train.text_input(key="train_name").value == value  # the field did hold it
    assert ended == {}


@pytest.mark.parametrize("value", [0, -1, 10**15, 2**53 - 1])
def test_no_number_ends_in_a_traceback(value: int) -> None:
    at = page("6_Train.py").run()
    for key in [one.key for one in at.number_input]:
        at.session_state[key] = type(at.session_state[key])(value)
    at.run()
    assert not at.exception
    assert at.error
