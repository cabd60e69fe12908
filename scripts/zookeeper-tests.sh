#!/usr/bin/env bash
# Runs the tests that are built with the tag "zookeeper", against Debian's ZooKeeper. Installs it
# where that is possible; where it is not, says so, and fails if this is CI.
set -euo pipefail
cd "$(dirname "$0")/.."

have() { command -v java >/dev/null 2>&1 && ls /usr/share/java/zookeeper.jar >/dev/null 2>&1; }

if ! have && command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
	echo "installing zookeeper"
	log=$(mktemp)
	if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends zookeeper; } >"$log" 2>&1; then
		tail -n 20 "$log" >&2
	fi
	rm -f "$log"
fi
if ! have; then
	echo "LEFT OUT: the tests against a real ZooKeeper (install Debian's packages zookeeper and default-jre-headless to run them)" >&2
	[ "${CI:-}" != true ] || exit 1
	exit 0
fi
packages=$(grep -rl --include='*_test.go' '^//go:build.*zookeeper' . | xargs -r -n1 dirname | sort -u)
[ -n "$packages" ] || exit 0
go vet -tags zookeeper $packages
go test -race -tags zookeeper -timeout 5m $packages
