package main

import (
	"fmt"
	"strings"
)

// foldBill: what folding a thousand events costs of storage operations, with topic and documents on blob. Reading the events and keeping the
// documents is counted, publishing them is not; the events come at once, or ten at a time with a reader behind each.
func foldBill(o options, dir string, s *realServers) error {
	meter, err := newMeter(s.blob)
	if err != nil {
		return err
	}
	defer meter.server.Close()
	app, err := startAppOnBlob(o, meter.connection, "folded")
	if err != nil {
		return err
	}
	defer app.end()
	if err := app.createTopic("orders"); err != nil {
		return err
	}
	if err := app.fill("orders", 1000); err != nil {
		return err
	}
	meter.taken()
	if err := app.put("amounts", "orders", amountSource); err != nil {
		return err
	}
	if err := app.foldTo(1000); err != nil {
		return err
	}
	_, writes, reads := meter.taken()
	billed("at once, into one document", writes, reads)
	writes, reads = 0, 0
	for at := 1010; at <= 2000; at += 10 {
		if err := app.post("/topics/orders/events", "application/json", strings.NewReader("["+strings.Repeat(event+",", 9)+event+"]")); err != nil {
			return err
		}
		if err := app.foldTo(at); err != nil {
			return err
		}
		appends, w, r := meter.taken()
		writes, reads = writes+w-appends, reads+r
	}
	billed("ten at a time with a reader behind each, into one document", writes, reads)
	return nil
}

func billed(how string, writes, reads int) {
	line("storage operations for 1,000 events of a projection, blob, "+how, fmt.Sprintf("%d writes, %d reads", writes, reads),
		fmt.Sprintf("$%.4f", float64(writes)*writePrice+float64(reads)*readPrice), float64(writes+reads)/1000, "–")
}

// foldTo waits until the document reflects so many events.
func (p *process) foldTo(at int) error {
	_, err := text(p.host, fmt.Sprintf("/projections/amounts/documents?key=order-4711&at-least=%d&wait=60", at))
	return err
}
