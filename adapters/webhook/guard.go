package webhook

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"time"

	"code.dny.dev/ssrf"

	"eventstore/core"
)

// Policy says which callbacks may be called.
type Policy string

const (
	// Public allows https on ports 443 and 8443 of public unicast addresses alone.
	Public Policy = "public"
	// Any allows every http and https URL: for development.
	Any Policy = "any"
)

// errForbidden is the refusal of an address, however it was found.
var errForbidden = &core.RefusedError{Reason: "only public addresses are called here, and this host is, or its name leads to, another"}

// azureVirtual is the address at which Azure's platform serves every machine: DNS, the VM
// agent, its WireServer. It is in a public range, so that no general list has it.
var azureVirtual = netip.MustParsePrefix("168.63.129.16/32")

// guardian knows the registries of special-purpose addresses.
var guardian = ssrf.New(ssrf.WithPorts(443, 8443), ssrf.WithDeniedV4Prefixes(azureVirtual))

// checkAddr refuses all but public unicast addresses.
func checkAddr(addr netip.Addr) error {
	addr = addr.Unmap()
	if addr.Zone() != "" || embedsV4(addr) || guardian.SafeAddr(addr) != nil {
		return errForbidden
	}
	return nil
}

// embedsV4 reports an ISATAP address, which carries an IPv4 address behind any prefix. (Those
// behind a prefix of their own, as of NAT64, 6to4 and Teredo, are outside what guardian allows.)
func embedsV4(addr netip.Addr) bool {
	if addr.Is4() {
		return false
	}
	b := addr.As16()
	return b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe
}

// control is asked for every connection, with the address that is about to be dialed: what
// a name resolved to a moment ago, or at registration, does not count.
func control(network, address string, conn syscall.RawConn) error {
	addr, err := netip.ParseAddrPort(address)
	if err != nil || guardian.Safe(network, address, conn) != nil {
		return errForbidden
	}
	return checkAddr(addr.Addr())
}

// dialer connects as the policy allows.
func (p Policy) dialer(resolver *net.Resolver) *net.Dialer {
	d := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second, Resolver: resolver}
	if p != Any {
		d.Control = control
	}
	return d
}

// lookUp refuses a name that leads to a forbidden address now. One that can't be resolved
// passes: it may come to life later, and every dial is checked.
func (s *Sender) lookUp(ctx context.Context, host string) error {
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	addrs, err := s.resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil
	}
	for _, addr := range addrs {
		if err := checkAddr(addr); err != nil {
			return err
		}
	}
	return nil
}
