#!/usr/bin/env bash
# Installs the published SDKs of other languages, each with all it needs at one version, and builds the workers of these tests
# with them: into node_modules/.polyglot. What cannot be had on this machine is named and left out; its tests are skipped then.
set -uo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
cd "$here/../../../.."

PYTHON_SDKS='0.8.1 0.7.4 0.6.7'
PIP_TIMEOUT_S=120
CARGO_TIMEOUT_S=600

cache="$PWD/node_modules/.polyglot"
mkdir -p "$cache"

left_out() { echo "Left out: $1. The tests that need it will be skipped." >&2; }
have() { command -v "$1" >/dev/null; }

# The SDKs ask for Python 3.12; the one that is called python3 may well be older.
python() {
  local candidate
  for candidate in python3 python3.14 python3.13 python3.12 "${HOME:-}"/.pyenv/versions/3.1[2-9].*/bin/python \
    "${HOME:-}"/.local/share/uv/python/cpython-3.1[2-9].*/bin/python3; do
    "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null && echo "$candidate" && return
  done
  return 1
}

install_python() { # version, interpreter
  local folder="$cache/python-$1" wanted="$here/python/requirements-$1.txt"
  cmp -s "$wanted" "$folder/installed.txt" && "$folder/bin/python" -c 'import resonate' && return
  rm -rf "$folder"
  "$2" -m venv "$folder" && timeout "$PIP_TIMEOUT_S" "$folder/bin/pip" install -q --disable-pip-version-check \
    --no-deps --only-binary :all: -r "$wanted" && "$folder/bin/python" -c 'import resonate.resonate' &&
    cp "$wanted" "$folder/installed.txt"
}

if interpreter="$(python)"; then
  for version in $PYTHON_SDKS; do
    install_python "$version" "$interpreter" || left_out "resonate-sdk $version for Python: it could not be installed from PyPI"
  done
else left_out 'the SDK for Python: it needs Python 3.12 or later'
fi

if have cargo; then
  timeout "$CARGO_TIMEOUT_S" cargo build -q --locked --bins --examples --manifest-path "$here/rust/Cargo.toml" --target-dir "$cache/rust" ||
    left_out 'the SDK for Rust: its worker could not be built'
else left_out 'the SDK for Rust: it needs cargo'
fi
