"""Text from outside reads as it is: what ``literal`` gives, and that no Streamlit call of the pages goes without it.

That Chromium really shows it so is tests/browser/test_hostile.py's.
"""

import ast
from pathlib import Path

import pytest

from pages._ui.common.escaping import Markdown, code, literal, visible
from pages._ui.texts import markdown

PAGES = Path(__file__).resolve().parents[2] / "pages"

# Streamlit calls whose first words are Markdown: by position, and by keyword in any call
FIRST = {
    *("markdown", "write", "caption", "error", "warning", "info", "success", "header", "subheader", "title", "badge"),
    *("button", "download_button", "link_button", "metric", "toast", "expander", "popover", "tabs", "spinner"),
    *("selectbox", "multiselect", "radio", "pills", "segmented_control", "checkbox", "toggle", "slider", "text_input"),
    *("text_area", "number_input", "file_uploader", "color_picker", "select_slider", "table", "status", "chat_message"),
}
SECOND = {"progress"}
KEYWORDS = {"help", "label", "caption", "text"}
BY_FORMAT = {"pills", "segmented_control", "radio", "selectbox", "multiselect", "select_slider"}
SAFE_CALLS = {"literal", "_literal", "markdown", "code", "Markdown"}  # text("key") without values is safe too
FORMATS = ("d", "f", "g", "e", "%", ",")  # an f-string's numbers
# expressions of our own words or numbers, checked by eye
OWN_WORDS = {
    "pages/_ui/train/charts.py": {"title", "epoch"},
    "pages/_ui/train/form.py": {"label", "MEANING[name]", "MEANING['name']", "_BUTTON_HELP"},
    "pages/_ui/train/watch.py": {"doing", "colour", "icon", "status.state.value"},
    "pages/_ui/common/byte_cache.py": {"show_spinner"},
    "pages/_ui/tune/goals_panel.py": {"head", "names"},
    "pages/_ui/tune/confidence.py": {
        *("'; '.join(parts)", "_intervals(scores, labels, settings)", "pd.DataFrame(rows).set_index('Half')"),
    },
    "pages/_ui/explore/explanations.py": {"_HOW_TO_READ", "_shown(pixel)", "_shown(image)"},
    "pages/_ui/common/diagnosis.py": {"when", "signs", "epochs", "said"},
    "pages/_ui/common/downloads.py": {"label"},
    "pages/_ui/epochs/exports.py": {"label"},
    "pages/_ui/tune/recipe_panel.py": {"label", "recipe.kernel_size", "recipe.min_area", "recipe.created"},
    "pages/_ui/epochs/run_selection.py": {"label"},
    "pages/_ui/inside/auroc.py": {"label", "help_text", "pd.DataFrame(columns, index=names)"},
    "pages/_ui/inside/figures.py": {"suffix.upper()"},
    "pages/_ui/inside/ablations.py": {"_pair_name"},
    "pages/_ui/lesson/panel.py": {"label"},
    "pages/_ui/tune/tune_data.py": {"time_left", "len(job.result.scored.problems) - 5"},
    "pages/_ui/epochs/replays.py": {"time_left"},
    "pages/_ui/frame/shell.py": {"*devices()"},
    "pages/_ui/common/source.py": {"lambda source: text(f'picture.{source}')"},
}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("scratch/000.png", "scratch/000.png"),
        ("foreign_fibre", "foreign_fibre"),
        ("![p](http://host/x.png)", r"!\[p\](http:/:red[]/host/x.png)"),
        ("**a** `b` _c_", r"\*\*a\*\* \`b\` \_c\_"),
        ("<img src=x>", r"\<img src=x\>"),
        (":smile: :red[x]", r"&#58;smile: &#58;red\[x\]"),
        ("$x$ a | b ~c~", r"\$x\$ a \| b \~c\~"),
        ("# head", r"\# head"),
        ("1. one", r"1\. one"),
        ("two\nlines", "two\\\nlines"),
        (0.5, "0.5"),
        (-3, "-3"),
    ],
)
def test_a_value_is_escaped_where_it_could_mean_something(name: object, told: str) -> None:
    assert literal(name) == told


def test_markdown_is_not_escaped_twice() -> None:
    once = literal("a*b")
    assert literal(once) == once == r"a\*b"
    assert f"**{literal(Markdown('`x`'))}**" == "**`x`**"


def test_code_cannot_be_left_by_a_backtick() -> None:
    assert code("a/b") == "`a/b`"
    assert code("a`b") == "`` a`b ``"


def test_what_hides_is_named() -> None:
    assert visible("a\x00b\u202ec\udcff\nd") == r"a\x00b\u202ec\udcff\nd"
    assert visible("a\nb", keep="\n") == "a\nb"
    assert visible("織物 é 👩‍🔬") == "織物 é 👩‍🔬"


def test_the_values_of_the_catalogue_are_escaped_and_its_own_words_are_not() -> None:
    told = markdown("inside.ablation.result", score=0.5, pixels=1200, verdict="**NG**")
    assert told == r"score **0.5000** · mask 1,200 px · \*\*NG\*\*"


def test_every_streamlit_call_takes_its_words_from_the_escaping_place() -> None:
    found = [fault for path in sorted(PAGES.rglob("*.py")) for fault in _faults(path)]
    assert not found, "\n".join(found)


def test_the_check_finds_what_it_looks_for(tmp_path: Path) -> None:
    path = tmp_path / "page.py"
    path.write_text(
        'st.error(str(error))\nst.markdown(f"**{name}**")\nst.caption(f"{share:.1%} {literal(name)}")\n'
        'st.button("Go", help=advice)\nst.progress(0.5, f"{literal(a)} {b}")\nleft.markdown(name)\n'
        'st.pills("Kind", kinds, format_func=str)\nst.error(text("k", name=name))\nst.error(text("k"))\n'
        'st.selectbox("Run", names)\n'
    )
    assert [int(fault.split(":")[1]) for fault in _faults(path)] == [1, 2, 4, 5, 6, 7, 8, 10]


def _faults(path: Path) -> list[str]:
    """Name each Markdown argument of a Streamlit call that is neither constant nor escaped."""
    place = path.relative_to(PAGES.parent).as_posix() if path.is_relative_to(PAGES) else path.name
    own = OWN_WORDS.get(place, set())
    faults = []
    for call in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        name, owner = call.func.attr, call.func.value
        if not isinstance(owner, ast.Name) or owner.id in ("self", "alt", "re", "draw"):
            continue
        words = [call.args[place] for kinds, place in ((FIRST, 0), (SECOND, 1)) if name in kinds and call.args[place:]]
        if owner.id == "st":
            words += [one.value for one in call.keywords if one.arg in KEYWORDS]
            words += _options(call) if name in BY_FORMAT else []
        elif not words or owner.id not in ("left", "right", "text", "button", "one", "other", "column"):
            continue
        faults += [f"{place}:{one.lineno}: {ast.unparse(one)}" for one in words if not _is_safe(one, own)]
    return faults


def _options(call: ast.Call) -> list[ast.expr]:
    """Return what gives the options their words: the format function, or the options themselves."""
    for one in call.keywords:
        if one.arg == "format_func":
            return [one.value]
    return call.args[1:2]


def _is_safe(words: ast.expr, own: set[str]) -> bool:
    match words:
        case ast.Constant():
            return True
        case ast.JoinedStr():
            return all(_is_safe(one, own) for one in words.values)
        case ast.FormattedValue():
            return _is_number(words.format_spec) or _is_safe(words.value, own)
        case ast.Call(func=ast.Name(id="text")):
            return not words.keywords and len(words.args) == 1
        case ast.Call(func=ast.Name(id=name)) if name in SAFE_CALLS | {"_text"}:
            return True
        case ast.Call(func=ast.Attribute(attr="markdown" | "caption")):
            return True
        case ast.IfExp():
            return _is_safe(words.body, own) and _is_safe(words.orelse, own)
        case ast.BinOp(op=ast.Add()):
            return _is_safe(words.left, own) and _is_safe(words.right, own)
        case ast.List() | ast.Tuple():
            return all(_is_safe(one, own) for one in words.elts)
        case ast.Name(id="visible" | "literal"):
            return True
        case ast.Lambda():
            return _is_safe(words.body, own) or ast.unparse(words) in own or "visible(" in ast.unparse(words)
        case ast.Name(id=name) if name.isupper() or name.lstrip("_").isupper():  # a constant of the module
            return True
    return ast.unparse(words) in own


def _is_number(spec: ast.expr | None) -> bool:
    return isinstance(spec, ast.JoinedStr) and str(getattr(spec.values[-1], "value", "")).endswith(FORMATS)
