package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"eventstore/adapters/postgres"
	"eventstore/core"
	"eventstore/core/coretest"
	"eventstore/test/servers"
)

func TestAppendsOfAnotherProcessAreHintedAt(t *testing.T) {
	t.Parallel()
	config := newConfig(t)
	writing, watching := open(t, config), open(t, config)
	ctx, cancel := context.WithCancel(t.Context())
	told := watching.(core.Watcher).Watch(ctx)
	others := open(t, newConfig(t)).(core.Watcher).Watch(ctx)
	receive(t, told) // once it listens, for what went before
	receive(t, others)
	for range 3 {
		coretest.Append(t, writing, coretest.Sample(time.Now().Nanosecond()))
		receive(t, told)
	}
	require.Empty(t, others, "another topic's watchers are not told")
	cancel()
	for range told { // until it is closed
	}
}

func receive(t *testing.T, told <-chan struct{}) {
	t.Helper()
	select {
	case _, ok := <-told:
		require.True(t, ok)
	case <-time.After(20 * time.Second):
		require.Fail(t, "no hint came")
	}
}

func TestHintsAreFewAndTheLastAppendIsToldOf(t *testing.T) {
	t.Parallel()
	url := servers.Postgres(t)
	config := newConfig(t)
	topics := newTopics(t, postgres.Config{})
	config, err := topics.Complete(config)
	require.NoError(t, err)
	log, id, err := topics.Open(t.Context(), config, "")
	require.NoError(t, err)
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(context.WithoutCancel(t.Context()))
	_, err = conn.Exec(t.Context(), "listen eventstore")
	require.NoError(t, err)

	began, head, appends := time.Now(), core.Head{}, 0
	for ; time.Since(began) < 500*time.Millisecond; appends++ {
		sealed, next := core.Seal(head, coretest.Start, []core.Event{coretest.Sample(appends)})
		require.NoError(t, log.Append(t.Context(), head, sealed))
		head = next
	}
	ended, hints, last := time.Now(), 0, time.Time{}
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		hint, err := conn.WaitForNotification(ctx)
		cancel()
		if err != nil {
			break
		}
		if hint.Payload == id {
			hints, last = hints+1, time.Now()
		}
	}
	most := int(ended.Sub(began)/(50*time.Millisecond)) + 2
	require.LessOrEqual(t, hints, most, "for %d appends", appends)
	require.GreaterOrEqual(t, hints, 2)
	require.True(t, last.After(ended), "the last append is told of")
}

func TestHintsComeAgainAfterTheListenerIsCut(t *testing.T) {
	t.Parallel()
	config := newConfig(t)
	writing := open(t, config)
	wire := newWire(t, config.Connection)
	config.Connection = wire.url
	told := open(t, config).(core.Watcher).Watch(t.Context())
	receive(t, told)
	wire.cut("downstream")
	time.Sleep(100 * time.Millisecond)
	wire.mend()
	receive(t, told) // it listens again, and may have missed something
	coretest.Append(t, writing, coretest.Sample(1))
	receive(t, told)
}

func TestClosingEndsHintsAndConnections(t *testing.T) {
	t.Parallel()
	config := newConfig(t)
	name := "test" + randomLetters(12)
	config.Connection += "&application_name=" + name
	topics := newTopics(t, postgres.Config{})
	log := openWith(t, topics, config)
	told := log.(core.Watcher).Watch(t.Context())
	receive(t, told)
	coretest.Append(t, log, coretest.Sample(1))
	topics.Close()
	require.Eventually(t, func() bool {
		return value(t, servers.Postgres(t), "select count(*)::text from pg_stat_activity where application_name = '"+name+"'") == "0"
	}, 20*time.Second, 20*time.Millisecond)
	_, err := log.Head(t.Context())
	require.ErrorIs(t, err, core.ErrUnavailable)
	_, _, err = topics.Open(t.Context(), config, "")
	require.ErrorIs(t, err, core.ErrUnavailable)
}
