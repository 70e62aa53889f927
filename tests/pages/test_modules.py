import shutil
import subprocess
from pathlib import Path

import pytest

from pages._ui.components.shared.modules import ModuleError, script

UI = Path("pages/_ui")
NODE = shutil.which("node")
ENTRIES = sorted(file for file in UI.rglob("*.js") if "export default function" in file.read_text("utf-8"))
ENTRY = "export default function (place) {\n  place.told = told();\n}\n"


@pytest.fixture
def write(tmp_path: Path):
    def write(**files: str) -> Path:
        for name, code in files.items():
            (tmp_path / f"{name}.js").write_text(code, "utf-8")
        return tmp_path / "main.js"

    return write


def ran(folder: Path, file: str) -> str:
    """What the default export of ``file`` puts into ``told``, with a line for each module that runs."""
    (folder / "package.json").write_text('{"type": "module"}')
    code = f'const place = {{}}; (await import("./{file}")).default(place); console.log(JSON.stringify(place.told))'
    done = subprocess.run(
        [NODE, "--input-type=module", "-e", code], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_the_script_runs_as_the_modules_themselves_do(write, tmp_path: Path):
    entry = write(
        # two modules have a name of their own each that the other has, too; c is imported twice and runs once
        a=(
            'import { count, next } from "./c.js";\nconsole.log("a");\nconst same = "a\'s";\n'
            "export function ofA() {\n  return `${same}\n  its ${next()}`;\n}\nexport const first = count;\n"
        ),
        b=(
            'import {\n  next,\n  Counter as Kept,\n} from "./c.js";\nconsole.log("b");\nconst same = "b\'s";\n'
            "export async function ofB() {}\nexport const list = [same, next(), new Kept().value];\n"
        ),
        c=(
            'console.log("c");\nlet at = 0;\nexport const count = 7;\nexport function next() {\n  at += 1;\n'
            "  return at;\n}\nexport class Counter {\n  value = count;\n}\n"
        ),
        main=(
            'import { list } from "./b.js";\nimport { first, ofA as own } from "./a.js";\nconsole.log("main");\n'
            f"const same = own();\n{ENTRY}function told() {{\n  return [same, first, list, this === undefined];\n}}\n"
        ),
    )
    expected = 'c\nb\na\nmain\n["a\'s\\n  its 2",7,["b\'s",1,7],true]\n'
    assert ran(tmp_path, "main.js") == expected
    (tmp_path / "script.js").write_text(script(entry), "utf-8")
    assert ran(tmp_path, "script.js") == expected


def test_a_module_in_another_folder_is_found_from_the_file_that_imports_it(tmp_path: Path):
    for folder, code in {
        "shared": "export const told = () => 1;\n",
        "one": f'import {{ told }} from "../shared/x.js";\n{ENTRY}',
    }.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / ("x.js" if folder == "shared" else "main.js")).write_text(code)
    made = script(tmp_path / "one" / "main.js")
    assert '__modules["shared/x.js"] = (() => {' in made
    assert 'const { told } = __modules["shared/x.js"];' in made
    assert made.count("export ") == 1


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.parent.name}/{entry.name}")
def test_each_component_is_one_module_that_node_can_read(entry: Path, tmp_path: Path):
    made = script(entry)
    assert "\n" in made  # or Streamlit takes it for a file's name
    assert made.count("\nexport ") == 1
    if NODE:
        (tmp_path / "made.mjs").write_text(made, "utf-8")
        subprocess.run([NODE, "--check", tmp_path / "made.mjs"], check=True, timeout=60)


def test_every_module_belongs_to_a_component():
    reached = "\n".join(script(entry) for entry in ENTRIES)
    lost = [file for file in UI.rglob("*.js") if f"// {file.parent.name}/{file.name}\n" not in reached]
    page_script = UI / "frame" / "shell.js"  # runs in the page itself, beside no component
    assert [file for file in lost if file not in (*ENTRIES, page_script)] == []


BAD = {
    "default import": ('import told from "./a.js";\n', "main.js:1: of import only this is taken"),
    "namespace": ('\nimport * as a from "./a.js";\n', "main.js:2: of import only this is taken"),
    "bare": ('import "./a.js";\n', "main.js:1: of import only this is taken"),
    "package": ('import { told } from "lodash";\n', "main.js:1: of import only this is taken"),
    "indented": ('{\n  import { told } from "./a.js";\n}\n', "main.js:2: of import only this is taken"),
    "no semicolon": ('import { told } from "./a.js"\n', "main.js:1: of import only this is taken"),
    "dynamic": ('const a = await import("./a.js");\n', "main.js:1: import() and import.meta are not taken"),
    "meta": ("const a = import.meta.url;\n", "main.js:1: import() and import.meta are not taken"),
    "no name": ('import { 1st } from "./a.js";\n', "main.js:1: cannot read '1st' as a name to import"),
    "unknown name": ('// x\nimport {\n  told,\n  tell,\n} from "./a.js";\n', "main.js:2: a.js does not export tell"),
    "missing file": ('import { told } from "./b.js";\n', "main.js:1: cannot read"),
    "kept name": ("const __modules = 1;\n", "main.js:1: the name __modules is kept"),
    "let": ("export let a = 1;\n", "main.js:1: of export only this is taken"),
    "list": ("const a = 1;\nexport { a };\n", "main.js:2: of export only this is taken"),
    "two constants": ("export const { a, b } = {};\n", "main.js:1: of export only this is taken"),
    "named default": ("export default function main() {}\n", "main.js:1: of export only this is taken"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_taken_is_refused_with_file_and_line(write, name: str):
    code, told = BAD[name]
    entry = write(a="export function told() {}\n", main=code + ENTRY)
    with pytest.raises(ModuleError) as refused:
        script(entry)
    assert told in str(refused.value)


def test_a_type_that_a_comment_imports_is_no_import(write):
    entry = write(
        a="export const told = () => 1;\n",
        main=(
            '/**\n * @typedef {import("./lost.js").Kind} Kind\n */\nimport { told } from "./a.js";\n'
            f'/** @type {{import("./lost.js").Kind}} */\n// import("./lost.js")\n{ENTRY}'
        ),
    )
    assert "lost.js" in script(entry)
    entry.write_text('/* a */ const b = import("./a.js"); // c\n' + ENTRY)
    with pytest.raises(ModuleError, match=r"main\.js:1: import\(\) and import\.meta are not taken"):
        script(entry)


def test_a_circle_is_refused(write):
    entry = write(
        a='import { b } from "./b.js";\nexport function told() {}\n',
        b='\nimport { told } from "./a.js";\nexport const b = 1;\n',
        main=f'import {{ told }} from "./a.js";\n{ENTRY}',
    )
    with pytest.raises(ModuleError, match=r"b\.js:2: modules import each other in a circle: a\.js → b\.js → a\.js"):
        script(entry)


def test_only_the_entry_has_a_default_export(write):
    entry = write(a=f"export const told = 1;\n{ENTRY}", main=f'import {{ told }} from "./a.js";\n{ENTRY}')
    with pytest.raises(ModuleError, match=r"a\.js:2: only the entry may have a default export"):
        script(entry)
    entry = write(main="export function told() {}\n")
    with pytest.raises(ModuleError, match=r"main\.js: the entry needs `export default function"):
        script(entry)
