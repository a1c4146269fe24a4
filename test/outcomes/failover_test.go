package outcomes_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"eventstore/test/cutter"
	"eventstore/test/faults/report"
	"eventstore/test/servers"
)

// The primary crashes under load, and its synchronous standby takes its place: what was acknowledged is there.
func TestASynchronousFailoverLosesNothing(t *testing.T) {
	t.Parallel()
	primary := servers.NewPostgres(t)
	door := cutter.New(t, primary.Host)
	cluster := launch(t, "TEST_POSTGRES="+strings.ReplaceAll(primary.Address, primary.Host, door.Host()))
	load := publish(t, cluster, "synchronous failover", "failed-over", map[string]any{"adapter": "postgres", "connection": "%TEST_POSTGRES%"})
	failovers := report.Times(1, 20)
	for range failovers {
		load.awaitMore(t, 20)
		standby := servers.NewStandby(t, primary)
		replicate(t, primary)
		load.awaitMore(t, 50)
		load.ledger.Row.Inject(1)
		primary.Crash(t)
		load.ledger.Row.Recover(func() {
			standby.Promote(t)
			door.Lead(t, standby.Host)
			load.awaitMore(t, 1)
		})
		primary = standby
	}
	load.awaitMore(t, 20)
	load.settle(t, fmt.Sprintf("%d failovers", failovers))
}

// replicate has commits wait for the standby, once that follows.
func replicate(t *testing.T, primary *servers.Server) {
	t.Helper()
	connection, err := pgx.Connect(t.Context(), primary.Address)
	require.NoError(t, err)
	defer connection.Close(t.Context())
	state := func() (state string) {
		err := connection.QueryRow(t.Context(), "select coalesce(max(state || ' ' || sync_state), 'none') from pg_stat_replication").Scan(&state)
		require.NoError(t, err)
		return state
	}
	await := func(want string) {
		t.Helper()
		require.Eventually(t, func() bool { return state() == want }, time.Minute, 10*time.Millisecond, "the standby does not follow")
	}
	await("streaming async")
	for _, statement := range []string{"alter system set synchronous_standby_names = '*'", "select pg_reload_conf()"} {
		_, err = connection.Exec(t.Context(), statement)
		require.NoError(t, err)
	}
	await("streaming sync")
}
