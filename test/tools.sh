# Installs what the tests need beside Go, make and Node: the npm packages of package-lock.json, here and in contract, and
# Debian packages where we may. Does nothing when all is there.
set -eu
cd "$(dirname "$0")"

missing=
command -v gcc >/dev/null || missing="$missing gcc libc6-dev" # for the race detector
command -v curl >/dev/null || missing="$missing curl"         # the README's commands
command -v strace >/dev/null || missing="$missing strace"     # failing system calls
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || missing="$missing postgresql"
if [ -n "$missing" ]; then
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		echo "the tests need these Debian packages, install them first:$missing" >&2
		exit 1
	fi
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -q && apt-get install -q -y --no-install-recommends $missing
fi

command -v npm >/dev/null || { echo "the tests need Node.js 20 or later with npm, install it first" >&2; exit 1; }
for folder in . contract; do
	installed=$folder/node_modules/.package-lock.json
	if [ ! -e "$installed" ] || [ "$folder/package-lock.json" -nt "$installed" ]; then
		(cd "$folder" && npm ci --no-audit --no-fund --ignore-scripts)
		touch "$installed"
	fi
done
