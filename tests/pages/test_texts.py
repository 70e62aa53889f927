"""The app's words: complete and alike in every language, found where the code asks for them, more by adding a file."""

import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from pages._ui import texts
from pages._ui.texts.catalogue import ENGLISH, Language, language_for, names_in, read_languages

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = read_languages(texts.FOLDER)
OTHERS = [code for code in LANGUAGES if code != ENGLISH]
HAN = re.compile(r"[\u4e00-\u9fff]")
LATIN_WORD = re.compile(r"(?<![\w.`{/-])[a-z]{3,}(?![\w.}])")
# folder below pages/_ui → the beginning of its words' keys
COMPONENTS = {"components/inside_view": "inside.view", "lesson": "lesson.panel"}
# What stays as it is in Chinese too: units, names of formats and of values that people type or see elsewhere.
KEPT = {
    "cutpaste",
    "gamma",
    "anomalib",
    "auto",
    "float",
    "bfloat",
    "state",
    "dict",
    "max",
    "softmax",
    "logit",
    "logits",
    "px",
    "log",
    "clip",
}


def write_language(folder: Path, code: str, content: str) -> dict[str, Language]:
    shutil.copy(texts.FOLDER / f"{ENGLISH}.toml", folder)
    (folder / f"{code}.toml").write_text(content, "utf-8")
    return read_languages(folder)


# --- the bundled languages ------------------------------------------------------------------------------------------


def test_english_and_traditional_chinese_are_there() -> None:
    assert [(code, LANGUAGES[code].name) for code in LANGUAGES][:2] == [("en", "English"), ("zh-Hant", "繁體中文")]


@pytest.mark.parametrize("code", OTHERS)
def test_every_language_is_complete_and_names_the_same_values(code: str) -> None:
    found = LANGUAGES[code]
    assert found.missing == ()
    assert found.problems == ()
    for key, template in LANGUAGES[ENGLISH].texts.items():
        assert names_in(found.texts[key]) == names_in(template), key
        assert found.texts[key].strip()


def test_no_english_is_left_in_chinese() -> None:
    english, chinese = LANGUAGES[ENGLISH].texts, LANGUAGES["zh-Hant"].texts
    left = {}
    for key, template in chinese.items():
        bare = re.sub(r"\{[^}]*\}|`[^`]*`|<[^>]*>", "", template)
        words = {word.lower() for word in LATIN_WORD.findall(bare)} - KEPT
        is_word = re.search(r"[a-z]{3}", re.sub(r"\{[^}]*\}|`[^`]*`", "", english[key]))
        if words or (is_word and not HAN.search(bare) and set(re.findall("[A-Za-z]{3,}", bare.lower())) - KEPT):
            left[key] = template
    assert left == {}


def test_chinese_is_traditional_as_in_taiwan() -> None:
    """Simplified forms and mainland terms that slip in easily."""
    told = "\n".join(LANGUAGES["zh-Hant"].texts.values())
    slips = ["图", "异", "阈", "软件", "網絡", "數據", "圖像", "默認", "信息", "噪聲", "像元", "閥值", "通過率", "激活"]
    strange = [word for word in slips if word in told]
    assert strange == []


def test_code_asks_only_for_texts_that_are_there_and_for_all_of_them() -> None:
    known = set(LANGUAGES[ENGLISH].texts)
    code = "\n".join(path.read_text("utf-8") for path in sorted((ROOT / "pages").rglob("*.py")))
    asked = set(re.findall(r"""\btext\(\s*["']([\w.]+)["']""", code))
    quoted = set(re.findall(r"""["']([a-z_]+(?:\.\w+)+)["']""", code))
    begun = set(re.findall(r"""\btext\(\s*f["']([\w.]+)\{""", code))  # keys that are put together
    begun |= {f"{prefix}." for prefix in re.findall(r"""\btexts_under\(\s*["']([\w.]+)["']""", code)}
    assert asked - known == set()
    assert [key for key in known - quoted if not key.startswith(tuple(begun))] == []
    assert [start for start in begun if not any(key.startswith(start) for key in known)] == []


@pytest.mark.parametrize(("folder", "prefix"), COMPONENTS.items())
def test_a_components_scripts_find_their_words_and_use_them_all(folder: str, prefix: str) -> None:
    words = {key.removeprefix(f"{prefix}.") for key in LANGUAGES[ENGLISH].texts if key.startswith(f"{prefix}.")}
    files = [path for kind in ("js", "html") for path in (ROOT / "pages" / "_ui" / folder).glob(f"*.{kind}")]
    code = "\n".join(path.read_text("utf-8") for path in files)
    asked = set(re.findall(r'data-(?:text|hint|aria-label)="(\w+)"', code)) | set(
        re.findall(r"(?<!/)\bwords\.(\w+)", code)
    )
    for taken in re.findall(r"const \{([^}]*)\} = (?:\w+\.)?words;", code):
        asked |= {name.split(":")[0].strip() for name in taken.split(",")}
    assert asked - {"append", "js"} == words  # an element of cards.js is called words, too, and so is a module
    for found in LANGUAGES.values():  # scripts fill in names alone, no formats
        assert not [word for word in words if re.search(r"\{\w+[^\w}]", found.texts[f"{prefix}.{word}"])]


# --- text() ---------------------------------------------------------------------------------------------------------


def test_values_are_filled_in_and_must_be_those_that_the_text_names() -> None:
    assert texts.text("sidebar.uploaded", name="a.ckpt") == "a.ckpt (uploaded)"
    with pytest.raises(ValueError, match=r"takes the values \['name'\], not \['nmae'\]"):
        texts.text("sidebar.uploaded", nmae="a.ckpt")
    with pytest.raises(KeyError):
        texts.text("sidebar.no_such_text")


def test_a_component_gets_its_words_without_their_common_beginning() -> None:
    assert texts.texts_under("score_rule")["max"] == "max of the map"


# --- which language -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("locale", "code"),
    [
        ("en-US", "en"),
        ("zh-TW", "zh-Hant"),
        ("zh-Hant-TW", "zh-Hant"),
        ("ZH-hk", "zh-Hant"),
        ("zh-CN", "en"),  # Simplified Chinese has no file yet
        ("de-DE", "en"),
        ("", "en"),
        (None, "en"),
    ],
)
def test_the_browsers_locale_picks_the_language(locale: str | None, code: str) -> None:
    assert language_for(locale, LANGUAGES.values()) == code


@given(st.text(max_size=12))
def test_any_locale_gets_some_language(locale: str) -> None:
    assert language_for(locale, LANGUAGES.values()) in LANGUAGES


# --- more languages, and faulty files -------------------------------------------------------------------------------


def test_one_more_file_is_one_more_language(tmp_path: Path, tiny_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = 'name = "Deutsch"\nlocales = ["de"]\n[page]\nexplore = "Ansehen"\n[sidebar]\nuploaded = "{name} (eigene)"'
    known = write_language(tmp_path, "de", content)
    assert language_for("de-AT", known.values()) == "de"
    assert "page.tune" in known["de"].missing
    monkeypatch.setenv("DRAEM_HOME", str(tiny_home))
    monkeypatch.setattr(texts, "FOLDER", tmp_path)
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=300).switch_page("pages/4_Inside.py")
    at.query_params["lang"] = "de"
    at.run()
    assert not at.exception
    assert at.selectbox(key="lang").value == "de"
    assert list(at.selectbox(key="lang").options) == ["English", "Deutsch"]
    labels = [link.proto.label for link in at.get("page_link")]
    assert labels[:2] == ["Ansehen", "Tune"]  # a missing text falls back to English
    assert "".join(at.query_params["lang"]) == "de"
    at.selectbox(key="lang").set_value("en").run()
    assert [link.proto.label for link in at.get("page_link")][:2] == ["Explore", "Tune"]
    assert "lang" not in at.query_params


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('[sidebar]\nuploaded = "{nmae}"', r"sidebar.uploaded: has the values \['nmae'\]"),
        ('[sidebar]\nuploaded = "{name"', "sidebar.uploaded: has braces that do not fit"),
        ('[sidebar]\nuploaded = "{} {name}"', "sidebar.uploaded: has braces that do not fit"),
        ('[page]\nexplore = "  "', "page.explore: is no text"),
        ("[page]\nexplore = 5", "page.explore: is no text"),
        ('[page]\nexplroe = "x"', "page.explroe: is not known"),
        ("[page\n", "cannot be read"),
    ],
)
def test_a_fault_is_told_and_english_stands_in(tmp_path: Path, content: str, told: str) -> None:
    known = write_language(tmp_path, "xx", content)
    assert len(known["xx"].problems) == 1
    assert re.search(told, known["xx"].problems[0])
    assert dict(known["xx"].texts) == dict(known[ENGLISH].texts)


def test_a_faulty_english_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "en.toml").write_text('[page]\nexplore = "{"', "utf-8")
    with pytest.raises(ValueError, match=r"en.toml, page.explore"):
        read_languages(tmp_path)
