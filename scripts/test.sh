#!/usr/bin/env bash
# Everything CI runs, on a fresh machine with Node and npm: installs what is missing, checks types, lint,
# import rules and formatting, compiles, and runs every test. Its last line is `N passed, N failed`.
set -euo pipefail
cd "$(dirname "$0")/.."

give_up() {
  printf '%s\n0 passed, 1 failed\n' "$1"
  exit 1
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

install_nats_server() {
  if command -v apt-get >/dev/null; then
    as_root apt-get update -qq && as_root apt-get install -y -qq nats-server
  elif command -v brew >/dev/null; then
    brew install nats-server
  else
    give_up 'nats-server is not on the PATH: install it (https://nats.io/download) and run this again'
  fi
}

export PATH="$PATH:/usr/sbin"
command -v nats-server >/dev/null || install_nats_server || give_up 'nats-server could not be installed'
npm ci || give_up 'npm ci failed'
npm run check || give_up 'npm run check failed: see above'
npm run build || give_up 'the build failed: see above'
npm test
