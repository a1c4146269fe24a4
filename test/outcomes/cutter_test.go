package outcomes_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

// cutter is a proxy before a server, which cuts connections.
type cutter struct {
	proxy         *toxiproxy.Proxy
	before, after int // faults so far, before the effect of what was sent and after it
}

func newCutter(t *testing.T, upstream string) *cutter {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	proxy := toxiproxy.NewProxy(server, "storage", "127.0.0.1:0", upstream)
	require.NoError(t, proxy.Start())
	t.Cleanup(proxy.Stop)
	return &cutter{proxy: proxy}
}

// faults cut what goes to the server, before the effect of a write, and what comes from it, after the effect: at
// the first byte, in the middle, and by silence that ends with a cut.
var faults = []func() string{
	func() string { return fmt.Sprintf(`"type":"reset_peer","attributes":{"timeout":%d}`, rand.IntN(5)) },
	func() string { return fmt.Sprintf(`"type":"limit_data","attributes":{"bytes":%d}`, rand.IntN(1000)) },
	func() string { return fmt.Sprintf(`"type":"timeout","attributes":{"timeout":%d}`, 1+rand.IntN(50)) },
}

// cut makes faults at random until the context ends.
func (c *cutter) cut(t *testing.T, ctx context.Context) {
	for ctx.Err() == nil {
		time.Sleep(time.Duration(10+rand.IntN(60)) * time.Millisecond)
		direction, count := "upstream", &c.before
		if rand.IntN(2) == 0 {
			direction, count = "downstream", &c.after
		}
		fault := fmt.Sprintf(`{"name":"cut","stream":%q,"toxicity":1,%s}`, direction, faults[rand.IntN(len(faults))]())
		if _, err := c.proxy.Toxics.AddToxicJson(strings.NewReader(fault)); err != nil {
			t.Errorf("%s: %v", fault, err)
			return
		}
		time.Sleep(time.Duration(5+rand.IntN(40)) * time.Millisecond)
		if err := c.proxy.Toxics.RemoveToxic(context.WithoutCancel(ctx), "cut"); err != nil {
			t.Errorf("%s: %v", fault, err)
			return
		}
		*count++
	}
}

func (c *cutter) String() string {
	return fmt.Sprintf("%d faults before and %d after the effect of what was sent", c.before, c.after)
}
