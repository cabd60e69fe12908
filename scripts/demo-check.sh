#!/usr/bin/env bash
# Does on the command line what the README promises to a newcomer, and looks at what is left over.
set -euo pipefail
cd "$(dirname "$0")/.."

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export TMPDIR="$tmp/t"
mkdir "$TMPDIR"
go build -o "$tmp/mesokit" ./cmd/mesokit

fail() { echo "demo-check: $*" >&2; exit 1; }

out=$("$tmp/mesokit" demo --check)
grep -q 'Hello from Server' <<<"$out" || fail "demo --check printed: $out"

set +e
out=$("$tmp/mesokit" run -- sh -c 'echo hi; exit 3' 2>"$tmp/stderr")
code=$?
set -e
[ "$out" = hi ] || fail "run printed '$out', want hi; stderr: $(cat "$tmp/stderr")"
[ "$code" = 3 ] || fail "run exited with $code, want 3; stderr: $(cat "$tmp/stderr")"

left=$(ls -A "$TMPDIR")
[ -z "$left" ] || fail "files left behind: $left"
if pgrep -f "$tmp/" >/dev/null 2>&1; then fail "processes left behind: $(pgrep -af "$tmp/")"; fi
echo "demo-check: ok"
