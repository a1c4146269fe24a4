package webhook

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/core"
)

// forbidden are hosts that lead, or try to lead, somewhere inside.
var forbidden = []string{
	// loopback, and every way to write it
	"127.0.0.1", "127.0.0.2", "127.255.255.254", "127.1", "127.0.1", "2130706433", "017700000001", "0x7f000001", "0x7F.0.0.1", "0177.0.0.1",
	"0x7f.1", "127.0.0.1.", "127.0.0.01", "0", "0.0.0.0", "0x", "1.1.1.1.1", "256.1.1.1", "1.2.3", "[::1]", "[0:0:0:0:0:0:0:1]", "[::]",
	"localhost", "LOCALHOST", "localhost.", "a.localhost", "A.LocalHost.",
	// IPv4 inside IPv6
	"[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:169.254.169.254]", "[::ffff:168.63.129.16]", "[::127.0.0.1]", "[::ffff:0:127.0.0.1]",
	"[64:ff9b::127.0.0.1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2002:a9fe:a9fe::1]", "[2001:0:1::1]",
	"[2a00:1450::5efe:127.0.0.1]", "[2a00:1450::200:5efe:10.0.0.1]",
	// metadata and platform addresses
	"169.254.169.254", "169.254.170.2", "168.63.129.16", "100.100.100.200", "192.0.0.192", "[fd00:ec2::254]", "[fe80::a9fe:a9fe]",
	// private, shared, link-local, unique-local, site-local
	"10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.254", "192.168.0.1", "100.64.0.1", "169.254.0.1", "[fc00::1]", "[fdff::1]",
	"[fe80::1]", "[fe80::1%25eth0]", "[::1%25lo]", "[fec0::1]",
	// multicast, broadcast, reserved, documentation, benchmarks, discard, segment routing
	"224.0.0.1", "239.255.255.250", "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "192.0.0.1",
	"192.88.99.1", "[ff02::1]", "[2001:db8::1]", "[3fff::1]", "[100::1]", "[5f00::1]",
	// names
	"inside.test", "six.test", "mapped.test", "azure.test", "ten.test",
}

// scripts is what the tests' names resolve to.
func scripts(listener string) map[string][]string {
	return map[string][]string{
		"inside.test": {listener},
		"mixed.test":  {"93.184.216.34 " + listener},
		"six.test":    {"::1"},
		"mapped.test": {"::ffff:127.0.0.1"},
		"azure.test":  {"168.63.129.16"},
		"ten.test":    {"10.0.0.7"},
		"rebind.test": {"93.184.216.34", listener},
		"public.test": {"93.184.216.34"},
	}
}

// listen counts what arrives at an address of loopback that is this test's alone, on a port
// that the policy Public allows.
func listen(t *testing.T, handler http.Handler) (host string, hits *atomic.Int64, server *httptest.Server) {
	t.Helper()
	hits = new(atomic.Int64)
	host = fmt.Sprintf("127.%d.%d.%d", 1+os.Getpid()%250, 1+os.Getpid()/250%250, 1+listeners.Add(1)%250)
	socket, err := net.Listen("tcp", host+":8443")
	require.NoError(t, err)
	server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		handler.ServeHTTP(w, r)
	}))
	_ = server.Listener.Close()
	server.Listener = socket
	server.Config.ConnState = func(net.Conn, http.ConnState) { hits.Add(1) }
	server.StartTLS()
	t.Cleanup(server.Close)
	return host, hits, server
}

var listeners atomic.Int64

var answerOK = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })

func delivery(callback string) core.Delivery {
	return core.Delivery{Callback: callback, ID: "msg_1", Secrets: []string{testSecret}, ContentType: "application/json", Body: []byte(`{}`)}
}

func TestNothingForbiddenIsReached(t *testing.T) {
	t.Parallel()
	host, hits, _ := listen(t, answerOK)
	dns := names{answers: scripts(host)}
	sender := New(Config{Resolver: dns.resolver(t)})
	require.GreaterOrEqual(t, len(forbidden), 60)
	for _, bad := range append(forbidden, host) {
		for _, port := range []string{"", ":443", ":8443"} {
			callback := "https://" + bad + port + "/hook"
			requireRefused(t, sender.Check(t.Context(), callback), callback)
			_, err := sender.Send(t.Context(), delivery(callback))
			requireRefused(t, err, callback)
			_, err = sender.Handshake(t.Context(), callback, "origin")
			requireRefused(t, err, callback)
			require.Zero(t, hits.Load(), "%s reached the listener", callback)
		}
	}
}

func requireRefused(t *testing.T, err error, callback string) {
	t.Helper()
	refused := new(core.RefusedError)
	require.ErrorAs(t, err, &refused, callback)
	require.NotContains(t, err.Error(), "127.", "a refusal tells no address")
}

func TestTheListenerIsReachedWhereThePolicyAllows(t *testing.T) {
	t.Parallel()
	host, hits, server := listen(t, answerOK)
	dns := names{answers: map[string][]string{"example.com": {host}}} // the name in the server's certificate
	sender := New(Config{Policy: Any, Resolver: dns.resolver(t), Roots: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs})
	answer, err := sender.Send(t.Context(), delivery("https://example.com:8443/hook"))
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, answer.Status)
	require.NotZero(t, hits.Load(), "else the tests of refusals would prove nothing")
}

func TestAnAnswerThatChangesBetweenCheckAndDialIsRefused(t *testing.T) {
	t.Parallel()
	host, hits, _ := listen(t, answerOK)
	dns := names{answers: scripts(host)}
	sender := New(Config{Resolver: dns.resolver(t)})
	require.NoError(t, sender.Check(t.Context(), "https://rebind.test:8443/"), "it leads outside when it is registered")
	requireRefused(t, sender.Check(t.Context(), "https://mixed.test:8443/"), "one address of several is inside")
	for range 3 {
		_, err := sender.Send(t.Context(), delivery("https://rebind.test:8443/"))
		requireRefused(t, err, "rebind.test")
	}
	require.Zero(t, hits.Load())
}

func TestARedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	_, hits, target := listen(t, answerOK)
	for _, status := range []int{301, 302, 303, 307, 308} {
		from := httptest.NewServer(http.RedirectHandler(target.URL, status))
		t.Cleanup(from.Close)
		answer, err := New(Config{Policy: Any}).Send(t.Context(), delivery(from.URL))
		require.NoError(t, err)
		require.Equal(t, status, answer.Status)
	}
	require.Zero(t, hits.Load())
}

func TestAProxyFromTheEnvironmentIsNotUsed(t *testing.T) {
	proxied := new(atomic.Int64)
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { proxied.Add(1) }))
	t.Cleanup(proxy.Close)
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		t.Setenv(name, proxy.URL)
	}
	host, hits, _ := listen(t, answerOK)
	dns := names{answers: scripts(host)}
	for _, policy := range []Policy{Public, Any} {
		sender := New(Config{Policy: policy, Resolver: dns.resolver(t)})
		require.Nil(t, sender.client.Transport.(*http.Transport).Proxy)
	}
	_, err := New(Config{Resolver: dns.resolver(t)}).Send(t.Context(), delivery("https://inside.test:8443/"))
	requireRefused(t, err, "inside.test")
	require.Zero(t, hits.Load())
	require.Zero(t, proxied.Load())
}

func TestPublicAddressesAreAllowed(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"93.184.216.34", "8.8.8.8", "1.1.1.1", "20.50.2.1", "168.63.129.15", "168.63.129.17", "172.15.0.1", "172.32.0.1",
		"2606:2800:220:1:248:1893:25c8:1946", "2a00:1450:4001::1", "::ffff:8.8.8.8"} {
		require.NoError(t, checkAddr(netip.MustParseAddr(good)), good)
		require.NoError(t, control("tcp4", netip.AddrPortFrom(netip.MustParseAddr(good).Unmap(), 443).String(), nil), good)
	}
	dns := names{answers: scripts("127.0.0.1")}
	sender := New(Config{Resolver: dns.resolver(t)})
	for _, good := range []string{"https://public.test/hook?key=1", "https://public.test:8443/", "https://8.8.8.8/", "https://not-there-yet.test/"} {
		require.NoError(t, sender.Check(t.Context(), good), good)
	}
}

func TestCallbacksThatAreNoURLs(t *testing.T) {
	t.Parallel()
	long := "https://example.com/" + string(make([]byte, 2100))
	for _, policy := range []Policy{Public, Any} {
		for _, bad := range []string{"", "hook", "/hook", "example.com/hook", "//example.com/hook", "https:", "https://", "https:///hook", "https:example.com",
			"ftp://example.com/", "file:///etc/passwd", "gopher://example.com/", "javascript:alert(1)", "unix:///run/x.sock", "https://user@example.com/",
			"https://user:secret@example.com/", "https://example.com@127.0.0.1/", "https://@example.com/", "https://example.com/#part", "https://example.com/#", "https://exa mple.com/",
			"https://example.com/a b", "https://example.com/\r\nX: y", "https://example.com\\@127.0.0.1/", "https://127。0。0。1/", "https://ｅxample.com/",
			"https://example.com:0/", "https://example.com:65536/", "https://example.com:/", "https://example.com:443x/", "https://[::1/", "https://%31%32%37.0.0.1/", long} {
			err := New(Config{Policy: policy}).Check(t.Context(), bad)
			require.Error(t, err, bad)
			invalid := new(core.InvalidError)
			require.ErrorAs(t, err, &invalid, bad)
			require.Equal(t, "callback", invalid.Place)
			require.NotContains(t, err.Error(), "secret")
		}
	}
}

func TestWhatEachPolicyAllows(t *testing.T) {
	t.Parallel()
	for callback, public := range map[string]bool{
		"https://example.com/":       true,
		"HTTPS://EXAMPLE.COM/":       true,
		"https://example.com:443/a":  true,
		"https://example.com:8443/a": true,
		"http://example.com/":        false,
		"https://example.com:80/":    false,
		"https://example.com:22/":    false,
		"https://example.com:32526/": false,
		"http://127.0.0.1:7071/":     false,
		"http://[::1]:7071/":         false,
		"http://localhost:7071/":     false,
	} {
		_, err := Any.parse(callback)
		require.NoError(t, err, callback)
		_, err = Public.parse(callback)
		require.Equal(t, public, err == nil, "%s: %v", callback, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, host := range forbidden {
		f.Add("https://" + host + "/hook")
	}
	f.Add("https://user@example.com:8443/a?b#c")
	f.Add("https://example.com\\@127.0.0.1/")
	f.Fuzz(func(t *testing.T, callback string) {
		u, err := Public.parse(callback)
		if err != nil {
			return
		}
		if u.Scheme != "https" || u.User != nil || u.Hostname() == "" || u.Fragment != "" || len(callback) > maxCallback {
			t.Fatalf("%q was allowed", callback)
		}
		if addr, err := netip.ParseAddr(u.Hostname()); err == nil && checkAddr(addr) != nil {
			t.Fatalf("%q leads to %s", callback, addr)
		}
		again, err := url.Parse(u.String())
		if err != nil || again.Host != u.Host {
			t.Fatalf("%q is called as %q, another host", callback, u.String())
		}
		if _, err := Any.parse(callback); err != nil {
			t.Fatalf("%q is public and not any: %v", callback, err)
		}
	})
}
