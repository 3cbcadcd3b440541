#!/usr/bin/env bash
# Makes .venv exactly what requirements.lock says, plus our own distributions as editable installs.
# Runs again in about a second when nothing changed. RIVEREDGE_SETUP=dev adds what only the tests need: the example
# plugin and PostgreSQL.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\033[1m▸ %s\033[0m\n' "$*"; }
off() { printf '\033[33m! %s\033[0m\n' "$*" >&2; }

find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11; do
    [ -n "$candidate" ] || continue
    command -v "$candidate" >/dev/null 2>&1 || continue
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
      printf '%s' "$candidate"
      return 0
    fi
  done
  return 1
}

# Without root, or off Debian, a feature that needs system packages is off: that is said, and all else goes on.
apt_install() {
  local why="$1"
  shift
  local runner=()
  [ "$(id -u)" -eq 0 ] || runner=(sudo -n)
  if ! command -v apt-get >/dev/null 2>&1; then
    off "no apt-get here: $why is off; install by hand: $*"
    return 0
  fi
  if [ "$(id -u)" -ne 0 ] && ! sudo -n true 2>/dev/null; then
    off "neither root nor password-less sudo: $why is off; to have it: sudo apt-get install $*"
    return 0
  fi
  say "system packages for $why: $*"
  if ! { "${runner[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq &&
    "${runner[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } >/dev/null 2>&1; then
    off "could not install $* : $why is off"
  fi
}

python=$(find_python) || {
  off "Python 3.11 or newer is needed; set PYTHON=/path/to/python3 if it is not on PATH"
  exit 1
}

# uv in .uv/bin, by whatever means Python has: Debian's may come without the venv module's part, or without pip.
install_uv() {
  say "installing uv into .uv"
  if ! "$python" -m venv .uv >/dev/null 2>&1; then
    rm -rf .uv
    if "$python" -m pip --version >/dev/null 2>&1; then
      "$python" -m pip install --quiet --disable-pip-version-check --target .uv "uv>=0.9"
      return
    fi
    apt_install "installing uv" python3-venv
    "$python" -m venv .uv >/dev/null 2>&1 || {
      rm -rf .uv
      off "no way to install uv: install python3-venv, or uv itself (https://docs.astral.sh/uv/)"
      exit 1
    }
  fi
  .uv/bin/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"
}

uv=$(command -v uv || true)
if [ -z "$uv" ]; then
  uv="$PWD/.uv/bin/uv"
  # Not on standard output, where --print-uv answers.
  [ -x "$uv" ] || install_uv >&2
fi
[ "${1:-}" != "--print-uv" ] || { printf '%s\n' "$uv"; exit 0; }

mode=${RIVEREDGE_SETUP:-run}
members=(sdk migrations kernel)
for path in plugins/*/pyproject.toml; do members+=("$(dirname "$path")"); done
[ "$mode" != dev ] || members+=(tests/exampleplugin)

# What is set up for the tests also runs. The stamp tells what there is: the mode, and what it was made of.
stamp=.venv/.riveredge-setup
want=$("$python" - plugins/*/pyproject.toml <<'PY'
import hashlib
import pathlib
import sys

digest = hashlib.sha256(sys.version.encode() + str(pathlib.Path.cwd()).encode())
members = ["sdk/pyproject.toml", "migrations/pyproject.toml", "kernel/pyproject.toml", "tests/exampleplugin/pyproject.toml"]
for name in ["requirements.lock", "tools/setup.sh", *members, *sys.argv[1:]]:
    digest.update(pathlib.Path(name).read_bytes())
print(digest.hexdigest())
PY
)
have=$(cat "$stamp" 2>/dev/null || true)
if [ "$have" != "dev $want" ] && [ "$have" != "$mode $want" ]; then
  say "installing the locked dependencies into .venv"
  [ -x .venv/bin/python ] || "$uv" venv --quiet --python "$python" .venv
  # Compiled once here: where Python is told to write no bytecode, each process would compile all of it again.
  "$uv" pip sync --quiet --compile-bytecode --python .venv/bin/python --require-hashes requirements.lock
  editable=()
  for member in "${members[@]}"; do editable+=(-e "$member"); done
  "$uv" pip install --quiet --python .venv/bin/python --no-deps "${editable[@]}"
  .venv/bin/python -m compileall -q "${members[@]}"
  printf '%s' "$mode $want" >"$stamp"
fi

if [ "$mode" = dev ] && [ -z "${RIVEREDGE_TEST_DATABASE_URL:-}" ]; then
  ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || apt_install "the PostgreSQL half of the tests" postgresql
  command -v redis-server >/dev/null 2>&1 || apt_install "the test of Redis" redis-server
  command -v nginx >/dev/null 2>&1 || apt_install "the test of the proxy" nginx-light
  docker compose version >/dev/null 2>&1 || command -v docker-compose >/dev/null 2>&1 ||
    apt_install "the test of the compose file" docker-compose
fi
