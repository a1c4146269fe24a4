package report_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/test/faults/report"
)

const rows = `{"class":"kill -9","adapter":"fs","test":"TestA","injected":900,"acknowledged":1234,"unknown":3,"resolved":3,"recoveries":[1000000,2000000]}
{"class":"kill -9","adapter":"fs","test":"TestB","injected":101,"recoveries":[90000000],"figures":{"cycles":7}}
{"class":"cut connections","adapter":"blob","injected":2,"figures":{"cycles":1}}
`

func TestRowsOfOneClassAndAdapterAreOne(t *testing.T) {
	t.Parallel()
	table, err := report.Read(strings.NewReader(rows))
	require.NoError(t, err)
	require.Equal(t, "1,003 faults injected, 0 acknowledged events lost, 0 duplicated, order kept, 0 starts that needed a hand", table.Sum)
	require.Contains(t, table.Markdown(), "| kill -9 | fs | 1,001 | 1,234 | 0 | 0 | 0 | 3 → 3 | 0 | 90 ms |\n")
	require.Contains(t, table.Markdown(), "| cut connections | blob | 2 | 0 | 0 | 0 | 0 | 0 → 0 | 0 | – |\n")
	require.Contains(t, table.Markdown(), "- kill -9, fs: cycles 7\n")
	require.NoError(t, table.Green("kill -9", "cut connections"))
	require.ErrorContains(t, table.Green("kill -9", "power cut"), "nothing was reported of power cut")
}

func TestARowThatIsNotGreenIsTold(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]string{
		"lost":              `{"class":"c","adapter":"fs","injected":1,"lost":1}`,
		"duplicated":        `{"class":"c","adapter":"fs","injected":1,"duplicated":1}`,
		"reordered":         `{"class":"c","adapter":"fs","injected":1,"reordered":1}`,
		"needed a hand":     `{"class":"c","adapter":"fs","injected":1,"unrecovered":1}`,
		"not resolved":      `{"class":"c","adapter":"fs","injected":1,"unknown":2,"resolved":1}`,
		"failed":            `{"class":"c","adapter":"fs","injected":1,"failed":true}`,
		"nothing was there": `{"class":"c","adapter":"fs"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table, err := report.Read(strings.NewReader(rows + row + "\n"))
			require.NoError(t, err)
			require.ErrorContains(t, table.Green(), "c on fs failed")
			require.Contains(t, table.Markdown(), "| c **FAILED** | fs |")
		})
	}
}

func TestARowIsWrittenWhenItsTestEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows")
	t.Setenv(report.Variable, path)
	t.Run("a test", func(t *testing.T) {
		row := report.Begin(t, "kill -9", "fs")
		row.Inject(2)
		row.Recover(func() {})
		row.Judge(5, 0, 0, 0)
		row.Judge(9, 0, 0, 0)
	})
	written, err := os.Open(path)
	require.NoError(t, err)
	defer written.Close()
	table, err := report.Read(written)
	require.NoError(t, err)
	require.NoError(t, table.Green("kill -9"))
	require.Equal(t, 9, table.Rows[0].Acknowledged)
	require.Len(t, table.Rows[0].Recoveries, 1)
}

// A start that fails its test, as require does by ending the goroutine, counts as one that needed a hand.
func TestAStartThatEndsItsTestIsCounted(t *testing.T) {
	t.Parallel()
	row, ended := new(report.Row), make(chan struct{})
	go func() {
		defer close(ended)
		row.Recover(func() { new(testing.T).FailNow() })
	}()
	<-ended
	require.Equal(t, 1, row.Unrecovered)
	require.Empty(t, row.Recoveries)
}

func TestTheSameSeedGivesTheSameNumbers(t *testing.T) {
	t.Parallel()
	require.Equal(t, report.Random(t, "a").Uint64(), report.Random(t, "a").Uint64())
	require.NotEqual(t, report.Random(t, "a").Uint64(), report.Random(t, "b").Uint64())
}
