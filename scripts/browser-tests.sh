#!/usr/bin/env bash
# Runs the tests of test/browser, against Chromium. Installs it where that is possible; where it is not, says so, and fails if
# this is CI.
set -euo pipefail
cd "$(dirname "$0")/.."

have() { command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1; }

if ! have && command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
	echo "installing chromium"
	log=$(mktemp)
	if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium; } >"$log" 2>&1; then
		tail -n 20 "$log" >&2
	fi
	rm -f "$log"
fi
go -C test/browser vet ./...
if ! have; then
	echo "LEFT OUT: the tests with a real browser (install Debian's package chromium to run them)" >&2
	[ "${CI:-}" != true ] || exit 1
	exit 0
fi
go -C test/browser test -race -timeout 10m ./...
