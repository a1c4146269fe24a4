package trigger_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/handler/trigger"
)

func TestNextIsTheHostsNext(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 11, 22, 20, 49, 30, 500, time.UTC) // a Sunday
	for _, tt := range []struct{ name, schedule, next string }{
		{"every second", "* * * * * *", "2026-11-22T20:49:31Z"},
		{"every minute", "0 * * * * *", "2026-11-22T20:50:00Z"},
		{"a step", "*/20 * * * * *", "2026-11-22T20:49:40Z"},
		{"a step from a value", "45/10 * * * * *", "2026-11-22T20:49:45Z"},
		{"at night", "0 0 3 * * *", "2026-11-23T03:00:00Z"},
		{"a list with a range", "0 0 1,4-6 * * *", "2026-11-23T01:00:00Z"},
		{"names in any case", "0 0 0 * jan MON", "2027-01-04T00:00:00Z"},
		{"a day of the month that is also a day of the week", "0 0 0 13 * 5", "2027-08-13T00:00:00Z"},
		{"the leap day", "0 0 0 29 2 *", "2028-02-29T00:00:00Z"},
		{"spaces around and between", "  0   0 3 * * *  ", "2026-11-23T03:00:00Z"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			schedule, err := trigger.ParseSchedule(tt.schedule)
			require.NoError(t, err)
			require.Equal(t, tt.next, schedule.Next(from).Format(time.RFC3339Nano))
			require.Equal(t, tt.schedule, schedule.String())
		})
	}
}

func TestNextIsInUTC(t *testing.T) {
	t.Parallel()
	schedule, err := trigger.ParseSchedule("0 0 3 * * *")
	require.NoError(t, err)
	from := time.Date(2026, 11, 22, 23, 0, 0, 0, time.FixedZone("east", 2*60*60))
	require.Equal(t, "2026-11-23T03:00:00Z", schedule.Next(from).Format(time.RFC3339))
}

func TestWhatTheHostWouldNotReadIsRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ schedule, says string }{
		{"", "0 fields"},
		{"* * * * *", "5 fields"},
		{"* * * * * * *", "7 fields"},
		{"@every 1s", "2 fields"},
		{"TZ=Asia/Tokyo 0 3 * * *", `"TZ=Asia/Tokyo" is no second`},
		{"60 * * * * *", "60"},
		{"* 60 * * * *", "60"},
		{"* * 24 * * *", "24"},
		{"* * * 0 * *", "0"},
		{"* * * 32 * *", "32"},
		{"* * * * 13 *", "13"},
		{"* * * * * 7", "0 (Sunday) to 6"},
		{"* * * * * 5-7", "0 (Sunday) to 6"},
		{"* * 22-2 * * *", "ends before it begins"},
		{"* * * * * fri-mon", "ends before it begins"},
		{"*/0 * * * * *", "0"},
		{"-1 * * * * *", `"-1" is no second`},
		{"? * * * * *", `"?" is no second`},
		{"* * * L * *", `"L" is no day`},
		{"* * * * * fri#3", `"fri#3" is no day of the week`},
		{"0,,1 * * * * *", `"" is no second`},
		{"0 0 0 30 2 *", "never comes"},
		{"99999999999999999999 * * * * *", "99999999999999999999"},
	} {
		t.Run(tt.schedule, func(t *testing.T) {
			t.Parallel()
			_, err := trigger.ParseSchedule(tt.schedule)
			require.ErrorContains(t, err, tt.says)
		})
	}
}

func FuzzParseSchedule(f *testing.F) {
	for _, seed := range []string{"* * * * * *", "0 */5 1-3 1,2 jan mon-fri", "59 59 23 31 12 6", "TZ=UTC * * * * *", "0 0 0 29 2 *"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		schedule, err := trigger.ParseSchedule(text)
		if err != nil {
			return
		}
		from := time.Date(2026, 11, 22, 20, 49, 30, 0, time.UTC)
		next := schedule.Next(from)
		if next.IsZero() {
			return // the days fall together only once in a long while
		}
		require.True(t, next.After(from), "%q: %v is not after %v", text, next, from)
		require.Zero(t, next.Nanosecond())
	})
}
