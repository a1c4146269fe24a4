package examples_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/test/app"
)

// startShop builds and starts the example, and waits until it serves.
func startShop(t *testing.T, store string) *app.Process {
	t.Helper()
	program := filepath.Join(t.TempDir(), "orders")
	output, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../examples/orders").CombinedOutput()
	require.NoError(t, err, string(output))
	return launchShop(t, program, store)
}

func launchShop(t *testing.T, program, store string) *app.Process {
	t.Helper()
	address := app.FreeAddress(t)
	shop := app.LaunchWith(t, []string{program}, "EVENTSTORE_URL="+store, "LISTEN="+address)
	shop.URL = "http://" + address
	t.Cleanup(shop.Kill)
	shop.AwaitReadyWithin(t, time.Minute)
	return shop
}

func TestTheShopDoesWhatItsPageShows(t *testing.T) {
	t.Parallel()
	server, settings := local(t)
	shop := startShop(t, server.URL)
	page := newShell(t, server, settings...)
	page.paste = strings.NewReplacer("http://127.0.0.1:9090", shop.URL)
	require.Equal(t, 3, page.follow(t, "examples/orders/README.md", 0))
	mail := "to c9: your order order-1 is on its way\n"
	require.Eventually(t, func() bool { return strings.Contains(shop.Output(), mail) }, time.Minute, 10*time.Millisecond, "the webhook never came: %s", shop.Output())

	forged := &app.Server{URL: shop.URL}
	answer := forged.Do(t, "POST", "/hook", `{"data":{"id":"order-9","customer":"c9"}}`, "webhook-id", "msg_1", "webhook-timestamp", "1", "webhook-signature", "v1,AAAA")
	require.Equal(t, 401, answer.Status)
	require.Equal(t, 1, strings.Count(shop.Output(), "is on its way"), shop.Output())
}

// Two shops that decide about one customer at once keep the rule that neither could keep alone.
func TestTwoShopsKeepOneRule(t *testing.T) {
	t.Parallel()
	server, _ := local(t)
	first := startShop(t, server.URL)
	second := startShop(t, server.URL)
	var placing sync.WaitGroup
	statuses := make(chan int, 12)
	for i := range 12 {
		shop := &app.Server{URL: []string{first.URL, second.URL}[i%2]}
		request := shop.Request(t, "POST", "/orders", `{"id":"order-`+string(rune('a'+i))+`","customer":"c1","total":1}`)
		placing.Go(func() {
			answer, err := app.Send(request)
			if err == nil {
				statuses <- answer.Status
			}
		})
	}
	placing.Wait()
	close(statuses)
	count := map[int]int{}
	for status := range statuses {
		count[status]++
	}
	require.Equal(t, map[int]int{201: 2, 409: 10}, count)
}
