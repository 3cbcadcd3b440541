#!/usr/bin/env bash
# Rules about the tree that no linter knows: short files, nothing that ties the project to one machine.
set -euo pipefail
cd "$(dirname "$0")/.."
failed=0

long=$(git ls-files '*.py' '*.sh' | xargs wc -l | awk '$2 != "total" && $1 > 500 {print "  " $2 ": " $1 " lines"}')
if [ -n "$long" ]; then
  printf 'Files over 500 lines; split them by what they are about:\n%s\n' "$long" >&2
  failed=1
fi

unnamed=$(git ls-files '*.py' | xargs grep -nE '# noqa *$|# type: ignore *$|except: *$' || true)
if [ -n "$unnamed" ]; then
  printf 'Suppressions must name what they suppress:\n%s\n' "$unnamed" >&2
  failed=1
fi

addresses=$(grep -nE '://' requirements.lock || true)
if [ -n "$addresses" ]; then
  printf 'requirements.lock names addresses:\n%s\n' "$addresses" >&2
  failed=1
fi
exit "$failed"
