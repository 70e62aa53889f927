"""The package: its public names, and a state folder that is set up without losing anything."""

import tomllib
from pathlib import Path

import draem_core
from draem_core import installation
from draem_core.installation import app_folder, copy_bundled_checkpoints, is_checkout, state_folder

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def test_the_public_names_are_these():
    assert set(draem_core.__all__) == {
        *("Card", "Checkpoint", "CheckpointError", "DatasetError", "DraemError", "ImageError", "PostProcess"),
        *("Prediction", "Predictor", "__version__", "load_checkpoint", "metrics", "read_image", "save_checkpoint"),
    }
    assert all(hasattr(draem_core, name) for name in draem_core.__all__)


def test_the_version_has_one_place():
    assert "version" in PROJECT["project"]["dynamic"]
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "draem_core/version.py"
    assert draem_core.__version__ in (ROOT / "draem_core" / "version.py").read_text("utf-8")


def test_all_that_a_wheel_brings_along_is_there():
    brought = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert {"app.py", "pages", "checkpoints", ".streamlit"} == brought.keys()
    assert all((ROOT / name).exists() for name in brought)


def test_a_checkout_holds_its_own_state(monkeypatch):
    monkeypatch.delenv("DRAEM_HOME", raising=False)
    assert is_checkout()
    assert app_folder() == state_folder() == ROOT


def test_an_installation_keeps_its_state_in_the_users_home(monkeypatch, tmp_path):
    monkeypatch.delenv("DRAEM_HOME", raising=False)
    monkeypatch.setattr(installation, "_BESIDE", tmp_path / "site-packages")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert app_folder() == tmp_path / "site-packages" / "draem_explorer"
    assert state_folder() == tmp_path / "draem-explorer"
    monkeypatch.setenv("DRAEM_HOME", str(tmp_path / "elsewhere"))
    assert state_folder() == tmp_path / "elsewhere"


def test_bundled_checkpoints_are_copied_once_and_replace_nothing(monkeypatch, tmp_path):
    bundled = tmp_path / "site-packages" / "draem_explorer" / "checkpoints"
    (bundled / "runs").mkdir(parents=True)
    (bundled / "a.safetensors").write_text("new")
    (bundled / "runs" / "b.csv").write_text("1,2")
    monkeypatch.setattr(installation, "_BESIDE", tmp_path / "site-packages")
    own = tmp_path / "state" / "checkpoints"
    own.mkdir(parents=True)
    (own / "a.safetensors").write_text("mine")

    assert copy_bundled_checkpoints(tmp_path / "state") == [own / "runs" / "b.csv"]
    assert (own / "a.safetensors").read_text() == "mine"
    assert (own / "runs" / "b.csv").read_text() == "1,2"
    assert copy_bundled_checkpoints(tmp_path / "state") == []


def test_a_checkout_copies_nothing_onto_itself(monkeypatch):
    monkeypatch.delenv("DRAEM_HOME", raising=False)
    assert copy_bundled_checkpoints(state_folder()) == []
