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

# All at once: end to end mostly waits for processes, the others and the checks compute. The checks
# give way to both.
folder=$(mktemp -d)
nice -n 19 npm run --silent check >"$folder/checks" 2>&1 &
checking=$!
# mocha itself, not npm, which would have the last word when a test fails.
node_modules/.bin/mocha 'test/e2e/**/*.test.ts' >"$folder/e2e" &
serving=$!
# All that they started: npm does not pass a signal on, and mocha's tests end what they began.
trap 'pkill -TERM -P $checking 2>/dev/null || true; kill $serving 2>/dev/null || true; rm -rf "$folder"' EXIT

printf '== tests (and, beside them, the checks and the tests end to end)\n'
status=0
node_modules/.bin/mocha --ignore 'test/e2e/**' 'test/**/*.test.ts' | tee "$folder/tests" || status=$?
printf '\n== tests end to end\n'
e2e_status=0
wait "$serving" || e2e_status=$?
cat "$folder/e2e"

tallied() {
  tail -n 1 "$folder/$1" | grep -qE '^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$' ||
    fail "the tests ($1) ended with $2 before they were counted"
}
tallied tests "$status"
tallied e2e "$e2e_status"
tally=$(cat <(tail -n 1 "$folder/tests") <(tail -n 1 "$folder/e2e") | awk '
  { for (at = 1; at < NF; at += 2) { word = $(at + 1); sub(",", "", word); sum[word] += $at } }
  END {
    printf "%d passed, %d failed", sum["passed"], sum["failed"]
    if (sum["skipped"] > 0) printf ", %d skipped", sum["skipped"]
  }')
if ! wait "$checking"; then
  printf '\n== checks\n'
  cat "$folder/checks"
  printf '\nthe checks failed, see above; the tests: %s\n' "$tally"
  fail 'failed: checks (npm run check)'
fi
# Alone: it computes on all cores, and what waits for real time has ended.
printf '\n== faults, a thousand seeds\n'
if ! npm run --silent test:sim -- --seeds 1000; then
  printf '\nthe seeds of faults failed, see above; the tests: %s\n' "$tally"
  fail 'failed: seeds of faults (npm run test:sim)'
fi
printf '\n%s\n' "$tally"
[ "$status" -eq 0 ] && [ "$e2e_status" -eq 0 ]
