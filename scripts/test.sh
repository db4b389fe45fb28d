#!/usr/bin/env bash
# Everything CI runs: nats-server where it is missing, packages, checks, compilation, every test.
# The last line is `N passed, N failed`; what failed stands above. Exit code 1 unless all is well.
set -euo pipefail
cd "$(dirname "$0")/.."
exec 2>&1 # one stream, so that the last line is the last

# Where Debian puts servers, and plain users do not look.
export PATH="$PATH:/usr/local/sbin:/usr/sbin"

fail() {
  printf '\n%s\n0 passed, 1 failed\n' "$1"
  exit 1
}

step() {
  local what=$1
  shift
  printf '== %s\n' "$what"
  "$@" || fail "failed: $what ($*)"
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    echo "neither root nor sudo: cannot run $*"
    return 1
  fi
}

install_nats_server() {
  if command -v apt-get >/dev/null; then
    as_root apt-get update -qq &&
      as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends nats-server
  elif command -v brew >/dev/null; then
    brew install nats-server
  else
    echo 'nats-server is not on the PATH: install it from https://github.com/nats-io/nats-server/releases'
    return 1
  fi
  command -v nats-server >/dev/null
}

if ! command -v nats-server >/dev/null; then
  step 'nats-server' install_nats_server
fi
step 'packages' npm ci --no-audit --no-fund
step 'compilation' node scripts/build.js

# Beside the tests, which wait for processes more than they compute; at the lowest priority.
folder=$(mktemp -d)
log=$folder/tests
checks=$folder/checks
nice -n 19 npm run --silent check >"$checks" 2>&1 &
checking=$!
# All that it started: npm does not pass a signal on.
trap 'pkill -TERM -P $checking 2>/dev/null || true; rm -rf "$folder"' EXIT

printf '== tests (and, beside them, the checks)\n'
# Not by npm, which would have the last word when a test fails.
status=0
node_modules/.bin/mocha 'test/**/*.test.ts' | tee "$log" || status=$?
tail -n 1 "$log" | grep -qE '^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$' ||
  fail "the tests ended with $status before they were counted"
tally=$(tail -n 1 "$log")
if ! wait "$checking"; then
  printf '\n== checks\n'
  cat "$checks"
  printf '\nthe checks failed, see above; the tests: %s\n' "$tally"
  fail 'failed: checks (npm run check)'
fi
if [ "$status" -ne 0 ]; then
  exit 1
fi
