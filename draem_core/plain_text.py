"""Text for a terminal or a log: what stands in names and files is shown, never obeyed. Knows no console."""

import unicodedata

_JOINERS = "\u200c\u200d"  # Persian, Indic scripts and emoji need them
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def plain_text(text: object) -> str:
    r"""Return text in which a terminal sees no command: control and direction signs are spelt, as ``\x1b``."""
    return "".join(_spelt(sign) if _is_hidden(sign) else sign for sign in str(text))


def _is_hidden(sign: str) -> bool:
    return unicodedata.category(sign) in _HIDDEN and sign not in _JOINERS


def _spelt(sign: str) -> str:
    return sign.encode("ascii", "backslashreplace").decode() if ord(sign) > 0x7F else repr(sign)[1:-1]
