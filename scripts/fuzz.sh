#!/usr/bin/env bash
# Runs every fuzz test for FUZZTIME each (default 1m), one after the other.
set -euo pipefail
cd "$(dirname "$0")/.."
grep -rhoE --include='*_test.go' -H '^func Fuzz[A-Za-z0-9_]+' . | sort | while IFS=: read -r file name; do
	name=${name#func }
	echo "== $(dirname "$file") $name"
	go test -run '^$' -fuzz "^$name\$" -fuzztime "${FUZZTIME:-1m}" "$(dirname "$file")"
done
