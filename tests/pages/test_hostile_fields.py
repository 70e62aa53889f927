"""Whatever a link or a field holds, a page answers with its default or a sentence, never with a traceback."""

import shutil
from dataclasses import fields
from pathlib import Path

import pytest
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
    "long": "ä" * 100_000,
    "upwards": "../../../../etc/passwd",
    "device": "/dev/stdin",
    "surrogate": "\udcff.png",
    "other digits": "٣²",
    "markup": "![p](http://evil.example/x.png)<img src=//evil.example>{0}%s",
    "empty": " ",
}


@pytest.fixture
def home(tiny_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the tiny home, as the app's."""
    shutil.copytree(tiny_home, tmp_path / "home")
    monkeypatch.setenv("DRAEM_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DRAEM_DATA", raising=False)
    return tmp_path / "home"


def page(name: str) -> AppTest:
    return AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).switch_page(f"pages/{name}")


LINKS = {name: value for name, value in HOSTILE.items() if name != "surrogate"}  # which the browser has replaced


@pytest.mark.parametrize("value", LINKS.values(), ids=LINKS.keys())
@pytest.mark.parametrize("name", PAGES)
def test_no_link_ends_in_a_traceback(name: str, value: str, home: Path) -> None:
    at = page(name)
    for parameter in PARAMETERS:
        at.query_params[parameter] = value
    at.run()
    assert not at.exception, [one.stack_trace for one in at.exception]


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
def test_no_text_field_ends_in_a_traceback(value: str, home: Path) -> None:
    at = page("6_Train.py").run()
    at.text_input(key="train_name").set_value(value).run()
    assert not at.exception
    at.session_state["train_anomaly_sources"] = value
    at.run()
    assert not at.exception
    at = page("3_Epochs.py").run()
    at.session_state["replay_folder"] = value
    at.run()
    next(one for one in at.button if one.label == "Make the review").click().run()
    assert not at.exception


@pytest.mark.parametrize("value", [0, -1, 10**15, 2**53 - 1])
def test_no_number_ends_in_a_traceback(value: int, home: Path) -> None:
    at = page("6_Train.py").run()
    for key in [one.key for one in at.number_input]:
        at.session_state[key] = type(at.session_state[key])(value)
    at.run()
    assert not at.exception
    assert at.error
