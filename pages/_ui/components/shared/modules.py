"""A component's ES modules as the one script that Streamlit takes, put together as a browser would load them.

Each module becomes a function of its own, run once and after those that it imports; the entry comes last and keeps its
``export default``. Nothing is minified or rewritten besides ``import`` and ``export``. Of the language's forms only
``import { a, b as c } from "./x.js";`` and ``export`` before a function, a class or one ``const`` are taken, each at a
line's start, so that no parser is needed; anything else is refused with file and line.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

_MODULES = "__modules"  # the delivered script's name for what the modules export
_NAME = r"[A-Za-z_$][\w$]*"
_IMPORT = re.compile(r'^import \{([^{}]*)\} from "(\.{1,2}/[^"\n]+\.js)";$', re.MULTILINE)
_IMPORTED = re.compile(rf"({_NAME})(?:\s+as\s+({_NAME}))?")
_EXPORT = re.compile(rf"^export (?=(?:async )?function\*? ({_NAME})|class ({_NAME})|const ({_NAME}) =)", re.MULTILINE)
_DEFAULT = re.compile(r"^export default function \(", re.MULTILINE)
_STATEMENT = re.compile(r"^[ \t]*(import|export)\b(?!\s*[(.:=])", re.MULTILINE)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)  # where import() names a type
_DYNAMIC = re.compile(r"\bimport\s*[(.]")


class ModuleError(ValueError):
    """Modules do not fit together; the message names file and line and says what is wrong."""


@dataclass(frozen=True)
class _Import:
    file: Path
    names: tuple[tuple[str, str], ...]  # (exported name, name here)
    line: int


@dataclass(frozen=True)
class _Module:
    file: Path
    code: str
    imports: tuple[_Import, ...]
    exports: tuple[str, ...]
    has_default: bool


def script(entry: Path) -> str:
    """Return ``entry`` and all that it imports as the source of one ES module.

    Raises:
        ModuleError: a file is missing, a form of import or export is not taken, a name is not exported, modules import
            each other in a circle, or the entry has no default export.
    """
    modules = _in_order(entry.resolve())
    folder = Path(os.path.commonpath([module.file.parent for module in modules]))
    *imported, last = modules
    if not last.has_default:
        raise ModuleError(f"{last.file}: the entry needs `export default function (…)`, which is what Streamlit calls")
    parts = [f"const {_MODULES} = {{}};\n"]
    for module in imported:
        if module.has_default:
            line = _line_of(module.code, _DEFAULT.search(module.code))
            raise ModuleError(f"{module.file}:{line}: only the entry may have a default export; name this one")
        parts.append(
            f"// {_key(module.file, folder)}\n{_MODULES}[{_quoted(module.file, folder)}] = (() => {{\n"
            f"{_bindings(module, folder)}{_EXPORT.sub('', _without_imports(module.code))}"
            f"\nreturn {{ {', '.join(module.exports)} }};\n}})();\n"
        )
    parts.append(f"// {_key(last.file, folder)}\n{_bindings(last, folder)}{_without_imports(last.code)}")
    return "\n".join(parts)


def _in_order(entry: Path) -> list[_Module]:
    """Return the modules, each after those that it imports."""
    known: dict[Path, _Module] = {}
    ordered: list[_Module] = []

    def visit(file: Path, asked: tuple[Path, ...], place: str) -> _Module:
        if file in asked:
            circle = " → ".join(one.name for one in (*asked[asked.index(file) :], file))
            raise ModuleError(f"{place}: modules import each other in a circle: {circle}")
        if file not in known:
            module = _read(file, place)
            for one in module.imports:
                found = visit(one.file, (*asked, file), f"{file}:{one.line}")
                for name, _ in one.names:
                    if name not in found.exports:
                        raise ModuleError(f"{file}:{one.line}: {one.file.name} does not export {name}")
            known[file] = module
            ordered.append(module)
        return known[file]

    visit(entry, (), str(entry))
    return ordered


def _read(file: Path, place: str) -> _Module:
    try:
        code = file.read_text("utf-8")
    except OSError as error:
        raise ModuleError(f"{place}: cannot read {file}: {error.strerror}") from error
    taken = [*_IMPORT.finditer(code), *_EXPORT.finditer(code), *_DEFAULT.finditer(code)]
    starts = {found.start() for found in taken}
    for found in _STATEMENT.finditer(code):
        if found.start() not in starts:
            forms = {
                "import": 'import { a, b as c } from "./x.js";',
                "export": "export function a, export class A or export const a = …",
            }
            line = _line_of(code, found, at=found.start(1))
            raise ModuleError(f"{file}:{line}: of {found[1]} only this is taken, at a line's start: {forms[found[1]]}")
    uncommented = _COMMENT.sub(lambda found: "\n" * found[0].count("\n"), code)
    for number, line_text in enumerate(uncommented.splitlines(), 1):
        if _DYNAMIC.search(line_text.partition("//")[0]):
            raise ModuleError(f"{file}:{number}: import() and import.meta are not taken; import at the file's top")
        if _MODULES in line_text:
            raise ModuleError(f"{file}:{number}: the name {_MODULES} is kept for the delivered script; take another")
    return _Module(
        file,
        code,
        tuple(_import_of(file, code, found) for found in _IMPORT.finditer(code)),
        tuple(next(filter(None, found.groups())) for found in _EXPORT.finditer(code)),
        _DEFAULT.search(code) is not None,
    )


def _import_of(file: Path, code: str, found: re.Match[str]) -> _Import:
    names = []
    line = _line_of(code, found)
    for text in filter(None, (part.strip() for part in found[1].split(","))):
        name = _IMPORTED.fullmatch(text)
        if name is None:
            raise ModuleError(f"{file}:{line}: cannot read {text!r} as a name to import")
        names.append((name[1], name[2] or name[1]))
    return _Import((file.parent / found[2]).resolve(), tuple(names), line)


def _line_of(code: str, found: re.Match[str] | None, at: int | None = None) -> int:
    assert found is not None
    return code.count("\n", 0, found.start() if at is None else at) + 1


def _without_imports(code: str) -> str:
    return _IMPORT.sub(lambda found: "\n" * found[0].count("\n"), code)


def _bindings(module: _Module, folder: Path) -> str:
    lines = []
    for one in module.imports:
        names = ", ".join(name if name == here else f"{name}: {here}" for name, here in one.names)
        lines.append(f"const {{ {names} }} = {_MODULES}[{_quoted(one.file, folder)}];\n")
    return "".join(lines)


def _key(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix()


def _quoted(file: Path, folder: Path) -> str:
    return '"' + _key(file, folder) + '"'
