package projections_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// driver, set in the environment, makes this program one that folds until it is killed.
const driver = "EVENTSTORE_TEST_DRIVER"

// work is what such a process does.
type work struct {
	Topics, Documents place
	Step              int
}

func TestMain(m *testing.M) {
	if text := os.Getenv(driver); text != "" {
		if err := foldUntilKilled(text); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// foldUntilKilled says on its output that it begins, and ends with its input at the latest.
func foldUntilKilled(text string) error {
	var w work
	if err := json.Unmarshal([]byte(text), &w); err != nil {
		return err
	}
	i, err := open(w.Topics, w.Documents, w.Step)
	if err != nil {
		return err
	}
	i.flaky.Script = nowAndThen
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	fmt.Println("folding")
	for ctx.Err() == nil {
		i.drive(ctx)
		time.Sleep(time.Millisecond) // not to keep a processor from the others at the head
	}
	return nil
}

// moment is a time within which something is cut off.
func moment() time.Duration { return time.Duration(mathrand.IntN(100_000)) * time.Microsecond }

// killed starts a process that folds, and kills it at some moment.
func (w work) killed(t *testing.T) {
	text, err := json.Marshal(w)
	require.NoError(t, err)
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), driver+"="+string(text))
	input, err := command.StdinPipe()
	require.NoError(t, err)
	defer input.Close()
	output, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	line, _ := bufio.NewReader(output).ReadString('\n')
	time.Sleep(moment()) // when it is killed is what varies
	_ = command.Process.Kill()
	_ = command.Wait()
	require.Equal(t, "folding\n", line)
}

// cutOff lets an instance of this process fold until some moment.
func (i *instance) cutOff(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), moment())
	defer cancel()
	i.drive(ctx)
}
