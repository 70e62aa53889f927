"""Names on disk that are no UTF-8: every page opens beside them and says in the sidebar what is left out."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(path.name for path in (ROOT / "pages").glob("[0-9]_*.py"))


@pytest.fixture(scope="module", autouse=True)
def home(tiny_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("odd") / "home"
    shutil.copytree(tiny_home, folder)
    picture = next((folder / "datasets").rglob("test/*/*.png"))
    try:
        shutil.copyfile(picture, picture.with_name(os.fsdecode(b"\xff.png")))
    except OSError:
        pytest.skip("this file system takes no names that are no UTF-8")
    checkpoint = next((folder / "checkpoints").glob("*.safetensors"))
    shutil.copyfile(checkpoint, checkpoint.with_name(os.fsdecode(b"\xfe.pth")))
    (folder / "runs" / os.fsdecode(b"\xfd")).mkdir(parents=True)
    (folder / "datasets" / os.fsdecode(b"\xfc") / "train" / "good").mkdir(parents=True)
    st.cache_data.clear()  # the pages remember for some seconds what files another test's home held
    st.cache_resource.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRAEM_HOME", str(folder))
        patch.delenv("DRAEM_DATA", raising=False)
        yield folder
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_and_says_what_is_left_out(name: str) -> None:
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=300).switch_page(f"pages/{name}").run()
    assert not at.exception
    said = [caption.value for caption in at.sidebar.caption if "no UTF-8" in caption.value]
    assert len(said) == 1
    assert "4 names" in said[0]
    assert r"\\xff.png" in said[0], "as Markdown: the backslash is escaped"
