"""Text from files, names, errors and fields on its way to the screen: it reads as it is, whatever is in it.

Streamlit takes almost every string for Markdown, in which a layer's name can be a picture that the browser fetches. So
``literal`` stands around every such value, once; ``tests/test_escaping.py`` finds the calls that forget it. What is no
Markdown (options of a selectbox, payloads of components, st.html by way of html.escape) takes ``visible``.
"""

import re
import unicodedata

__all__ = ["Markdown", "code", "literal", "visible"]

_SPLIT = ":red[]"  # an empty span: nothing to see, and what stands before and after it is never read as one
_SPECIAL = re.compile(r"[\\`*\[\]<>&$~|{}]|(?<![^\W_])_|_(?![^\W_])")
_NAMING = re.compile(r":(?=[\w+:-])")  # begins a directive, an emoji or an icon
_AT_START = re.compile(r"^(#{1,6}(?=\s|$)|[-+](?=\s|$)|=|\d{1,9}[.)](?=\s|$))")
# Streamlit replaces these in the parsed text, where an escape is forgotten: addresses, its own picture, arrows, dashes
_JOINED = re.compile(
    r"(?<=:/)(?=/)|(?<=www)(?=\.)|(?=@)|(?<=;m)(?=aterial_)|(?<=;s)(?=treamlit:)"
    r"|(?<=<)(?=[-=])|(?<=[>~])(?==)|(?<=-)(?=\\>)",
    re.IGNORECASE,
)
_DASHES = re.compile(r"(?<!\S)-{2,}(?!\S)")


class Markdown(str):
    """Text that is Markdown already and may stand in a page as it is."""


def literal(value: object) -> Markdown:
    """Return the Markdown that shows ``value`` sign by sign; Markdown stays as it is."""
    if isinstance(value, Markdown):
        return value
    return Markdown("\\\n".join(_escaped(line.strip()) for line in visible(value, keep="\n").strip().split("\n")))


def code(value: object) -> Markdown:
    """Return ``value`` as a code span."""
    shown = visible(value)
    if ":material/" in shown:  # Streamlit looks for its icons in code too
        return literal(value)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    gap = " " if "`" in shown else ""
    return Markdown(f"{fence}{gap}{shown}{gap}{fence}")


def visible(value: object, keep: str = "") -> str:
    r"""Return ``value`` as plain text in which nothing hides: controls, signs that turn the writing's direction and
    bytes that are no UTF-8 become ``\x00``, ``\u202e``, ``\udcff``; those in ``keep`` stay.
    """
    return "".join(one if one in keep or not _hides(one) else _named(one) for one in str(value))


def _hides(character: str) -> bool:
    kind = unicodedata.category(character)
    return kind in ("Cc", "Cs", "Zl", "Zp") or (kind == "Cf" and unicodedata.bidirectional(character) != "BN")


def _named(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def _escaped(line: str) -> str:
    safe = _SPECIAL.sub(lambda found: f"\\{found[0]}", line)
    safe = _JOINED.sub(_SPLIT, _NAMING.sub("&#58;", safe))
    safe = _DASHES.sub(lambda found: _SPLIT.join(found[0]), safe)
    return _AT_START.sub(lambda found: f"{found[0][:-1]}\\{found[0][-1]}", safe)
