// Package cutter is a proxy before a server, which cuts connections: before the effect of what was sent, and after it.
package cutter

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

// Cutter is the proxy. Its fields are for who does not cut at the same time.
type Cutter struct {
	Before, After int           // faults so far, before the effect of what was sent and after it
	Pause         time.Duration // the least time between two faults; by default 10 ms

	proxy *toxiproxy.Proxy
}

// New starts a proxy to a host:port, which ends with the test.
func New(t testing.TB, upstream string) *Cutter {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	proxy := toxiproxy.NewProxy(server, "cut", "127.0.0.1:0", upstream)
	require.NoError(t, proxy.Start())
	t.Cleanup(proxy.Stop)
	return &Cutter{proxy: proxy}
}

// Host is the host:port that clients connect to.
func (c *Cutter) Host() string { return c.proxy.Listen }

// Lead cuts all connections, and leads those that come to another server.
func (c *Cutter) Lead(t testing.TB, upstream string) {
	t.Helper()
	c.proxy.Stop()
	c.proxy.Upstream = upstream
	require.NoError(t, c.proxy.Start())
}

// faults cut at the first byte, in the middle, and by silence that ends with a cut.
var faults = []func(random *rand.Rand) string{
	func(random *rand.Rand) string {
		return fmt.Sprintf(`"type":"reset_peer","attributes":{"timeout":%d}`, random.IntN(5))
	},
	func(random *rand.Rand) string {
		return fmt.Sprintf(`"type":"limit_data","attributes":{"bytes":%d}`, random.IntN(1000))
	},
	func(random *rand.Rand) string {
		return fmt.Sprintf(`"type":"timeout","attributes":{"timeout":%d}`, 1+random.IntN(50))
	},
}

// Cut makes faults at random until the context ends.
func (c *Cutter) Cut(t testing.TB, ctx context.Context, random *rand.Rand) {
	for ctx.Err() == nil {
		time.Sleep(max(c.Pause, 10*time.Millisecond) + time.Duration(random.IntN(60))*time.Millisecond) // faults come and go at any moment
		direction, count := "upstream", &c.Before
		if random.IntN(2) == 0 {
			direction, count = "downstream", &c.After
		}
		fault := fmt.Sprintf(`{"name":"cut","stream":%q,"toxicity":1,%s}`, direction, faults[random.IntN(len(faults))](random))
		if _, err := c.proxy.Toxics.AddToxicJson(strings.NewReader(fault)); err != nil {
			t.Errorf("%s: %v", fault, err)
			return
		}
		time.Sleep(time.Duration(5+random.IntN(40)) * time.Millisecond)
		if err := c.proxy.Toxics.RemoveToxic(context.WithoutCancel(ctx), "cut"); err != nil {
			t.Errorf("%s: %v", fault, err)
			return
		}
		*count++
	}
}

// String tells how many faults there were.
func (c *Cutter) String() string {
	return fmt.Sprintf("%d faults before and %d after the effect of what was sent", c.Before, c.After)
}
