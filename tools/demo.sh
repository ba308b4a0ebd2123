#!/usr/bin/env bash
# ./dev demo: a company's database history and files are backed up, lost, brought back, and compared.
# Every line of the report is a check that was run; the exit status is 0 only when all held.
set -euo pipefail

binary=$(realpath "${1:?usage: tools/demo.sh BINARY}")
root=$(dirname "$(dirname "$(realpath "${BASH_SOURCE[0]}")")")
# HOLDFAST_DEMO_KEEP=DIR leaves everything in DIR, which must not exist.
place=${HOLDFAST_DEMO_KEEP:-$(mktemp -d "${TMPDIR:-/tmp}/holdfast-demo-XXXXXX")}
mkdir -p "$place"
[[ -n ${HOLDFAST_DEMO_KEEP:-} ]] || trap 'chmod -R u+w "$place"; rm -rf "$place"' EXIT
cd "$place"

export HOME=$place/home HOLDFAST_REPOSITORY=$place/repository HOLDFAST_PASSWORD_FILE=$place/password
export MONGOC_DISABLE_SHM=1 # what killed processes left there would be warned of
mkdir -p "$HOME"
echo "the demo's password" >"$HOLDFAST_PASSWORD_FILE"
chmod 600 "$HOLDFAST_PASSWORD_FILE"

report=() failures=0 started=$SECONDS width=140

holdfast() { "$binary" "$@"; }
bold='' plain=''
[[ -t 1 ]] && bold=$'\e[1m' plain=$'\e[0m'
title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
show() { # shows a command, runs it, indents what it prints
  printf '  $ %s\n' "$*"
  "$@" >out.txt 2>err.txt || { sed 's/^/    /' out.txt err.txt; return 1; }
  cut -c1-"$width" out.txt | sed 's/^/    /'
}
field() { # FILE EXPRESSION: a member of a JSON document, as Python writes it
  python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$@"
}
# The claim goes into the report with PASS or FAIL by the exit status of the command.
prove() { # CLAIM COMMAND...
  local claim=$1 verdict=PASS
  shift
  if ! "$@" >proof.txt 2>&1; then
    verdict=FAIL
    failures=$((failures + 1))
    sed 's/^/    /' proof.txt
  fi
  report+=("$verdict  $claim")
  printf '  %s  %s\n' "$verdict" "$claim"
}
expect_status() { # STATUS COMMAND...
  local wanted=$1 got=0
  shift
  "$@" || got=$?
  [[ $got == "$wanted" ]] || { echo "exit status $got, expected $wanted: $*"; return 1; }
}
listing() { # names, kinds, modes, sizes, times, link counts and targets below a directory
  (cd "$1" && find . -printf '%p %y %m %T@ %n %l\n' | LC_ALL=C sort)
}
same_files() {
  diff -r --no-dereference "$1" "$2" && diff <(listing "$1") <(listing "$2")
}
orders_in() { # the number of documents of an exported shop.orders
  python3 -c 'import sys; sys.path.insert(0, sys.argv[1]); from demo_history import documents
print(len(list(documents(open(sys.argv[2], "rb").read()))))' "$root/tools" "$1/shop/orders.bson"
}
no_orders_in() { [[ $(orders_in "$1") == 0 ]]; }

title "1. A company: files on a server, a database with its recorded history"
cp -a "$root/tests/data/company" company
ln company/server/config.env company/server/config.env.linked
truncate -s 8M company/uploads/sparse-scan.tif
chmod 2750 company/server/config
tar --zstd -xf "$root/tests/data/corpus/delta-1.tar.zst"
python3 "$root/tools/demo_history.py" disaster delta-1 shop.orders oplog.bson >disaster.sh
# shellcheck disable=SC1091
source disaster.sh
printf '  %s files, %s;  a dump taken while writes went on, and %s of oplog\n' \
  "$(find company -type f | wc -l)" "$(du -sh --apparent-size company | cut -f1)" \
  "$(du -h --apparent-size oplog.bson | cut -f1)"
# shellcheck disable=SC2154
printf '  At %s somebody deletes all %s orders, the uploads, and overwrites the configuration.\n' \
  "$deletion_iso" "$lost_count"

title "2. Into an encrypted, deduplicated repository"
show holdfast init
show holdfast backup company
holdfast backup company --json >second.json
prove "an unchanged second backup stores no file content" \
  test "$(field second.json 'd["data_blobs"]')" == 0
show holdfast import --dataset shop --oplog oplog.bson delta-1/base
show holdfast points
no_plaintext() { ! grep -rqaF -e "not-a-real-password" -e "placeOrder" repository; }
prove "no text of the files can be read in the repository" no_plaintext

title "3. The disaster"
cp -a company before
rm -rf company/uploads
echo "ruined" >company/server/config.env
# shellcheck disable=SC2154
show holdfast export --dataset shop --at last --only shop.orders --to after
prove "after the deletion the history shows a database without orders" no_orders_in after
printf '  One of the lost orders, through time:\n'
# shellcheck disable=SC2154
show holdfast browse versions shop orders "$lost_id"

title "4. Brought back: the database as it was a second before, the files as they were"
# shellcheck disable=SC2154
show holdfast export --dataset shop --at "$before_iso" --to recovered
printf '  orders recovered: %s\n' "$(orders_in recovered)"
prove "every collection equals what the server showed before (md5, count, indexes, UUID)" \
  python3 "$root/tools/demo_history.py" compare recovered delta-1
snapshot=$(field second.json 'd["snapshot_id"]')
show holdfast restore "${snapshot:0:8}" --to files
prove "the files came back identical: contents, modes, times, links" \
  same_files before files/company

title "5. A running database: captured as it is written, orders deleted, brought back"
python=python3 # Debian's pymongo belongs to Debian's interpreter, which need not be first in PATH
python3 -c 'import pymongo' 2>/dev/null || python=/usr/bin/python3
live() { "$python" -B "$root/tools/demo_live.py" "$@"; }
mkdir servers
mkfifo servers/hold # the servers live as long as this end of it is open
live serve servers <servers/hold 2>servers/log &
servers=$!
exec 9>servers/hold
until [[ -s servers/servers.sh ]]; do
  kill -0 "$servers" 2>/dev/null || { cat servers/log; exit 1; }
  sleep 0.1
done
# shellcheck disable=SC1091
source servers/servers.sh
# shellcheck disable=SC2154
printf '  The server: %s, %s\n' "$server_words" "$source_uri"
live fill "$source_uri"
# shellcheck disable=SC2154
show holdfast backup --dataset company "$source_uri"
"$binary" stream --dataset company --segment-age 1s "$source_uri" >stream.txt 2>stream.err 9>&- &
stream=$!
live trade "$source_uri"
read -r _ open_orders < <(live orders "$source_uri")
sleep 2
deleted=$(live delete "$source_uri")
printf '  Somebody deletes all %s open orders of %s; business goes on.\n' "$deleted" \
  "$(live orders "$source_uri" | cut -d' ' -f1)"
sleep 1
live trade "$source_uri"
read -r later later_open < <(live orders "$source_uri")
sleep 4
show holdfast status --dataset company "$source_uri"
kill -TERM "$stream"
prove "the stream was told to end and published what it had" wait "$stream"
show holdfast scan deletions --dataset company --since 1h
holdfast scan deletions --dataset company --since 1h --json >deletions.json
before_deletion=$(field deletions.json \
  'next(row["before"]["at"] for row in d["found"] if row["kind"] == "deletes")')
undo=(holdfast restore --dataset company --at "$before_deletion" --to "$source_uri"
  --only company.orders --missing-only)
show "${undo[@]}" --preview
show "${undo[@]}"
all_back() {
  [[ $(live orders "$source_uri") == "$((later + deleted)) $((later_open + open_orders))" ]]
}
prove "all $deleted orders are back, and the orders written since are still there" all_back
show holdfast backup --dataset company --full "$source_uri"
# shellcheck disable=SC2154
show holdfast restore --dataset company --to "$target_uri"
prove "another server holds the same documents, as a driver we did not write reads them" \
  live same "$source_uri" "$target_uri"
prove "holdfast compare finds no difference between the two" \
  holdfast compare --dataset company --at last --with "$target_uri"
exec 9>&-
wait "$servers"

title "6. The repository itself"
show holdfast verify --level decrypt
prove "every byte of the repository was read, authenticated and hashed" \
  holdfast verify --level decrypt
flip_one_bit() { # in the middle of the largest pack of a copy
  local pack
  cp -r repository flipped
  pack=$(find flipped/data -type f -printf '%s %p\n' | sort -n | tail -n 1 | cut -d' ' -f2-)
  chmod u+w "$pack"
  python3 - "$pack" <<'PYTHON'
import sys
with open(sys.argv[1], "r+b") as pack:
    pack.seek(0, 2)
    at = pack.tell() // 2
    pack.seek(at)
    byte = pack.read(1)[0]
    pack.seek(at)
    pack.write(bytes([byte ^ 1]))
PYTHON
}
flip_one_bit
prove "one flipped bit in a copy of it is found (exit status 20)" \
  expect_status 20 holdfast verify -r "$place/flipped" --level decrypt
prove "a wrong password opens nothing (exit status 12)" \
  expect_status 12 holdfast points --password-command "echo wrong"

if command -v restic >/dev/null; then
  export RESTIC_REPOSITORY=$HOLDFAST_REPOSITORY RESTIC_PASSWORD_FILE=$HOLDFAST_PASSWORD_FILE
  prove "$(restic version | cut -d' ' -f1,2), a program we did not write, checks it: no errors" \
    restic --no-cache check --read-data
  prove "restic restores the same files from it" restic --no-cache restore "$snapshot" --target restic
  prove "what restic restored is identical" same_files before restic/company
else
  report+=("----  restic is not installed: its opinion was not asked (apt-get install restic)")
fi

title "Report: what was proven"
printf '  %s\n' "${report[@]}"
# shellcheck disable=SC2154
cat <<REPORT

  Lost:      $lost_count orders between $deletion_iso and $after_iso; the uploads; the configuration
  Live:      $deleted orders deleted on $server_words
  Recovered: the database as of $before_iso, the files as of the last backup; nothing is missing
  Stored:    $(du -sh repository | cut -f1) for $(du -shc before delta-1/base oplog.bson | tail -n 1 | cut -f1) of input, sealed with one password
  Took:      $((SECONDS - started)) s in all
REPORT
if ((failures)); then
  printf '\n%d of these did not hold.\n' "$failures"
  exit 1
fi
