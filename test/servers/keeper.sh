# Keeps one server for a test. It obeys the words that come on its standard input, answers each with one
# line, and when its input ends, because the test closed it or died, it stops the server and removes what
# the server wrote. So no server outlives its test, however the test ends.
#
# usage: sh keeper.sh postgres|standby|azurite DIR PORT PROGRAM [OPTION…]
#   DIR is a directory of the server's own; PROGRAM is PostgreSQL's bin directory or Azurite's main.js; OPTIONs are
#   more of Azurite's, or the URL of the PostgreSQL server that a standby follows until it is promoted
kind=$1 dir=$2 port=$3 program=$4
log=$dir/log
shift 4
primary=$1 # of a standby
cd "$dir" || exit 1

start_postgres() {
	if [ ! -f data/PG_VERSION ]; then
		printf 'secret' >password &&
			"$program/initdb" --pgdata=data --username=postgres --pwfile=password --auth=password \
				--encoding=UTF8 --locale=C.UTF-8 >>"$log" 2>&1 || return 1
	fi
	"$program/pg_ctl" --pgdata=data --log="$log" --wait --timeout=60 \
		--options="-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=200" start >>"$log" 2>&1
}

# A standby begins with a copy of the primary, and follows it.
start_standby() {
	if [ ! -f data/PG_VERSION ]; then
		"$program/pg_basebackup" --dbname="$primary" --pgdata=data --write-recovery-conf --checkpoint=fast >>"$log" 2>&1 || return 1
	fi
	start_postgres
}
stop_standby() { stop_postgres; }
crash_standby() { crash_postgres; }
promote_standby() { "$program/pg_ctl" --pgdata=data --wait --timeout=60 promote >>"$log" 2>&1; }

stop_postgres() { "$program/pg_ctl" --pgdata=data --mode=fast --wait stop >>"$log" 2>&1; }
crash_postgres() { "$program/pg_ctl" --pgdata=data --mode=immediate --wait stop >>"$log" 2>&1; }

start_azurite() { # with the OPTIONs as arguments
	node "$program" --blobHost 127.0.0.1 --blobPort "$port" --location data \
		--skipApiVersionCheck --disableTelemetry --silent "$@" >>"$log" 2>&1 </dev/null &
	pid=$!
}

# Azurite writes its state down when it is told to end, and loses it when it is killed.
stop_azurite() { [ -n "$pid" ] && kill -TERM "$pid" 2>/dev/null && wait "$pid" 2>/dev/null; pid=; true; }

while read -r word; do
	case $word in start | stop | crash | promote) ;; *) echo "unknown word $word" && continue ;; esac
	if "${word}_$kind" "$@"; then echo ok; else echo "$word: $(tail -n 3 "$log" | tr '\n' ' ')"; fi
done
"stop_$kind"
cd / && rm -rf "$dir"
