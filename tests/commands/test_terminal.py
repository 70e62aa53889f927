"""Names on the console are shown as they are: no markup, no emoji codes, no command to the terminal."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from tiny_home import PICTURE, write_checkpoint

from draem_core.commands import terminal

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("lot [retry]", "lot [retry]"),
        ("[/b] :bug: größe 日本\u3000\u00a0", "[/b] :bug: größe 日本\u3000\u00a0"),
        ("a\x1b[31mred\x07", r"a\x1b[31mred\x07"),
        ("two\nlines\r\ttab\x9b", r"two\nlines\r\ttab\x9b"),
        ("\u202egnp.exe\u2066\ufeff\u2028", r"\u202egnp.exe\u2066\ufeff\u2028"),
        ("no utf-8 \udcff", r"no utf-8 \udcff"),
        ("family \U0001f468\u200d\U0001f469", "family \U0001f468\u200d\U0001f469"),
        (Path("x/[b]y"), str(Path("x/[b]y"))),
    ],
)
def test_plain_text(text, shown):
    assert terminal.plain_text(text) == shown


def test_lines_notes_and_cells_are_no_markup(monkeypatch, capsys):
    monkeypatch.setattr(terminal, "console", Console(width=30, force_terminal=True, color_system=None))
    name = "lot [retry] [/b] :bug: \x1b[31m and much more than one line"
    terminal.say(name)
    terminal.note(name)
    terminal.complain(name)
    written = capsys.readouterr()
    expected = name.replace("\x1b", r"\x1b")
    assert written.out == f"{expected}\nNote: {expected}\n"
    assert written.err == f"{expected}\n"


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "draem_core", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "COLUMNS": "150"},
    )


def test_hostile_names_in_score_and_figure_and_what_is_assumed(tmp_path):
    weights = write_checkpoint(tmp_path / "tiny [x].safetensors", 0)
    weights.with_suffix(".json").write_text('{"assumed": ["input_size"], "notes": ["Taken [from] \\u001b[2J."]}')
    for name in ("good", "hole [deep] [b]"):
        picture = tmp_path / "lot [retry]" / "test" / name / "0.png"
        picture.parent.mkdir(parents=True)
        Image.fromarray(np.full((*PICTURE, 3), 99, np.uint8)).save(picture)
    (tmp_path / "lot [retry]" / "train" / "good").mkdir(parents=True)
    Image.fromarray(np.full((*PICTURE, 3), 99, np.uint8)).save(tmp_path / "lot [retry]" / "train" / "good" / "0.png")

    scored = command("score", "--checkpoint", weights, "--data", tmp_path / "lot [retry]", "--out", tmp_path / "[/b]")
    assert scored.returncode == 0, scored.stderr
    for expected in ("lot [retry]: 2 test images", "hole [deep]", str(tmp_path / "[/b]" / "scores.csv")):
        assert expected in scored.stdout
    figure = tmp_path / "[/b]" / "row.png"
    drawn = command("figure", picture, "--checkpoint", weights, "--out", figure)
    assert drawn.returncode == 0, drawn.stderr
    assert f"Wrote {figure}" in drawn.stdout
    for done in (scored, drawn):
        assert "assumed, not read from its file: input size 96 × 64." in done.stdout
        assert r"Taken [from] \x1b[2J." in done.stdout
        assert "\x1b" not in done.stdout + done.stderr

    missing = command("score", "--checkpoint", tmp_path / "a\x1b[2J[b]\n.pth", "--data", tmp_path, "--out", tmp_path)
    assert missing.returncode == 2
    assert "\x1b" not in missing.stderr
    assert missing.stderr.count("\n") == 1
