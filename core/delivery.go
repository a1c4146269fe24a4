package core

import "time"

// Delivery is one POST of events to a callback.
type Delivery struct {
	Callback    string   // an absolute URL
	ID          string   // letters and digits: the same for every attempt at the same events
	Secrets     []string // `whsec_…`; the delivery carries a signature by each
	Origin      string   // of a receiver that answered the handshake, what it was asked for; else ""
	ContentType string
	Body        []byte
	// Topic and Events are what the body is made of; neither is sent. Events is not to be kept or changed.
	Topic  string
	Events []Event
	// Traceparent and Tracestate are sent as W3C Trace Context has them; "" is left out.
	Traceparent, Tracestate string
}

// Answer is what a callback answered to a [Delivery].
type Answer struct {
	Status     int           // of HTTP
	RetryAfter time.Duration // how long it asked to be left alone; 0 where it did not
}

// Permission is the outcome of the CloudEvents webhook handshake.
type Permission struct {
	Verified bool // the receiver agreed to be sent events
	Rate     int  // the most deliveries a minute it agreed to; 0 is no limit
}

// RefusedError says that the instance's address policy forbids a callback. It tells no
// address: where a name leads is nobody's business who may only register it.
type RefusedError struct {
	Reason string // what is forbidden, and what would be allowed
}

func (e *RefusedError) Error() string { return "callback refused: " + e.Reason }
