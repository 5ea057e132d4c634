#!/usr/bin/env bash
# Time npm's native `ccusage` over a corpus:  bench/ccusage.sh CORPUS [RUNS]
#
# CORPUS is a directory made by bench/corpus.py. The binary reads whatever agents it finds below HOME; it knows no
# Cursor transcripts. `--offline` keeps it off the network. Per run: wall s, user+sys CPU s, max RSS MB.
# "cold-ish": the corpus' pages are dropped from the page cache first (posix_fadvise, no root needed).
set -euo pipefail

corpus=$(realpath "$1")
runs=${2:-5}
version=${CCUSAGE_VERSION:-20.0.24} # the newest that both packages have
place=/tmp/ccusage
native=$place/node_modules/@ccusage/ccusage-linux-x64/bin/ccusage
wrapper=$place/node_modules/ccusage/src/cli.js
arguments=(daily --json --offline --by-agent --timezone UTC)

install() {
  mkdir -p "$place"
  if [[ "$("$native" --version 2>/dev/null)" != *"$version"* ]]; then
    HOME=$place npm install --prefix "$place" --no-audit --no-fund \
      "ccusage@$version" "@ccusage/ccusage-linux-x64@$version" >&2
    chmod +x "$native"
  fi
  "$native" --version
}

# Only our own variables: CLAUDE_CONFIG_DIR, CODEX_HOME and the like would move its roots.
timed() {
  env -i HOME="$corpus" PATH="$PATH" /usr/bin/time -f '%e %U %S %M' -o "$place/time" "$@" >"$place/out.json"
  awk -v label="$label" '{printf "%-16s wall %6.2f s   cpu %6.2f s   rss %5d MB\n", label, $1, $2 + $3, $4 / 1024}' \
    "$place/time"
}

drop_from_cache() {
  python3 - "$corpus" <<'PY'
import os, sys
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        fd = os.open(os.path.join(folder, name), os.O_RDONLY)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)
PY
}

install
drop_from_cache
label="native cold-ish" timed "$native" "${arguments[@]}"
for _ in $(seq "$runs"); do label="native warm" timed "$native" "${arguments[@]}"; done
label="native claude" timed "$native" claude daily --json --offline --timezone UTC
cp "$place/out.json" "$place/claude.json"
label="native codex" timed "$native" codex daily --json --offline --timezone UTC
cp "$place/out.json" "$place/codex.json"
label="wrapper warm" timed node "$wrapper" "${arguments[@]}"
label="wrapper --version" timed node "$wrapper" --version
