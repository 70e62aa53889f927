"""The texts of the app by language: one TOML file each, read and checked against the English one.

Knows no Streamlit and no session; `pages._ui.texts` says which language is spoken.
"""

import string
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ENGLISH = "en"
_ABOUT = ("name", "locales")  # what a file says of itself, above its texts


@dataclass(frozen=True)
class Language:
    """One language's file, read.

    code: the file's name without suffix, as links and the session say it. name: in the language itself.
    locales: what browsers call it; a longer tag that begins so is meant too ("zh-TW" takes "zh-TW-u-ca-roc").
    texts: template by dotted key; complete, the English one stands where the file has none or a faulty one.
    missing: keys that the file lacks. problems: sentences on what had to be left out.
    """

    code: str
    name: str
    locales: tuple[str, ...]
    texts: Mapping[str, str]
    missing: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@cache
def read_languages(folder: Path) -> dict[str, Language]:
    """Read all ``*.toml`` of a folder, English first; a faulty file or text is told in ``problems``, never raised.

    Raises:
        ValueError: the English file is faulty: there is nothing to fall back to.
    """
    english = _read(folder / f"{ENGLISH}.toml", {})
    if english.problems:
        raise ValueError(" ".join(english.problems))
    others = sorted(path for path in folder.glob("*.toml") if path.stem != ENGLISH)
    return {ENGLISH: english} | {path.stem: _read(path, english.texts) for path in others}


def language_for(locale: str | None, languages: Iterable[Language]) -> str:
    """Return the code of the language that a browser's locale asks for, English where none fits."""
    wanted = f"{locale or ''}-".lower()
    fitting = [
        (len(known), language.code)
        for language in languages
        for known in language.locales
        if wanted.startswith(f"{known}-".lower())
    ]
    return max(fitting)[1] if fitting else ENGLISH


def names_in(template: str) -> frozenset[str]:
    """Return the names of a template's {values}. Raises ValueError for a stray brace or a value without a name."""
    names = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
    if not all(name.isidentifier() for name in names):
        raise ValueError(f"{template!r} has a value without a proper name")
    return frozenset(names)


def _read(path: Path, english: Mapping[str, str]) -> Language:
    """Read one file against the English texts; the English one itself against none."""
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problem = f"{path.name} cannot be read ({error}). Mend it; English is spoken meanwhile."
        return Language(path.stem, path.stem, (), english, tuple(english), (problem,))
    found = dict(_flattened({name: value for name, value in content.items() if name not in _ABOUT}))
    faults = {key: fault for key, template in found.items() if (fault := _fault(key, template, english))}
    problems = tuple(f"{path.name}, {key}: {fault}" for key, fault in faults.items())
    right = {key: str(template) for key, template in found.items() if key not in faults}
    missing = tuple(key for key in english if key not in found)
    name, locales = content.get("name", path.stem), content.get("locales", [path.stem])
    return Language(path.stem, str(name), tuple(map(str, locales)), {**english, **right}, missing, problems)


def _flattened(table: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flattened(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _fault(key: str, template: object, english: Mapping[str, str]) -> str | None:
    if not isinstance(template, str) or not template.strip():
        return "is no text. Write one, or take the line out."
    try:
        names = names_in(template)
    except ValueError as error:
        return f"has braces that do not fit ({error}). Write {{name}}, or {{{{ for a brace."
    if english and key not in english:
        return f"is not known. {ENGLISH}.toml has no such key; take the line out or mend its spelling."
    if english and names != (wanted := names_in(english[key])):
        return f"has the values {sorted(names)}, {ENGLISH}.toml has {sorted(wanted)}. They must be the same."
    return None
