package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// subscriptionRows: many subscriptions of one topic, on fs and on blob, and what a dead receiver does to others.
func subscriptionRows(o options, dir string, s *realServers) error {
	meter, err := newMeter(s.blob)
	if err != nil {
		return err
	}
	defer meter.server.Close()
	fs, err := startApp(o, "fs:"+filepath.Join(dir, "many"), "EVENTSTORE_CALLBACKS=any")
	if err != nil {
		return err
	}
	err = manySubscriptions(o, fs, "fs", nil)
	fs.end()
	if err != nil {
		return err
	}
	blob, err := startApp(o, "blob:subscriptions", "AzureWebJobsStorage="+meter.connection, "EVENTSTORE_CALLBACKS=any",
		"PROJECT_SCHEDULE=0 0 0 1 1 *", "REPLAY_SCHEDULE=0 0 0 1 1 *", fmt.Sprintf("DELIVER_SCHEDULE=*/%d * * * * *", tick))
	if err != nil {
		return err
	}
	err = manySubscriptions(o, blob, "blob (Azurite)", meter)
	blob.end()
	if err != nil {
		return err
	}
	return deadReceivers(o, dir)
}

// tick is how many seconds apart the deliver timer runs on blob: longer than what is remembered of other instances' changes.
const tick = 12

// manySubscriptions: each of them wants its own subject's events of a topic.
func manySubscriptions(o options, app *process, storage string, meter *meter) error {
	receiver, err := newCallbacks()
	if err != nil {
		return err
	}
	defer receiver.server.Close()
	err = errors.Join(app.createTopic("bench"), app.fillSubjects("bench", o.delivered, o.subscriptions))
	if err != nil {
		return err
	}
	without, err := publishTimes(o, app, false)
	if err != nil {
		return err
	}
	if meter != nil {
		meter.taken()
	}
	begun := time.Now()
	if err := subscribeMany(o, app, receiver); err != nil {
		return err
	}
	registered := time.Since(begun)
	if err := receiver.await(int64(o.delivered)); err != nil {
		return err
	}
	took := time.Since(begun)
	resident, err := app.mebibytes()
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%d subscriptions on a topic of %d events, %s: ", o.subscriptions, o.delivered, storage)
	fmt.Printf("| %severy event delivered, HTTP | %.0f events/s (%d in %v), %.0f MiB resident | registering: %.0f/s | – | – |\n", what,
		float64(o.delivered)/took.Seconds(), o.delivered, took.Round(time.Millisecond), resident, float64(o.subscriptions)/registered.Seconds())
	if meter != nil {
		if err := deliveryBill(o, app, meter, what); err != nil {
			return err
		}
	}
	for _, wanted := range []bool{false, true} {
		with, err := publishTimes(o, app, wanted)
		if err != nil {
			return err
		}
		which := map[bool]string{false: "none", true: "one"}[wanted]
		for i, percent := range []int{50, 99} {
			line(fmt.Sprintf("%sa publish that %s of them wants, p%d", what, which, percent), with[i].String(), "without them: "+without[i].String(), float64(with[i])/float64(without[i]), "–")
		}
	}
	return nil
}

// subscribeMany registers them from several publishers at once.
func subscribeMany(o options, app *process, receiver *callbacks) error {
	var registering sync.WaitGroup
	errs := make([]error, 8)
	for worker := range errs {
		registering.Go(func() {
			for i := worker; i < o.subscriptions && errs[worker] == nil; i += len(errs) {
				errs[worker] = app.subscribe(fmt.Sprintf("%s/%d", receiver.url, i), fmt.Sprint("order-", i), 1)
			}
		})
	}
	registering.Wait()
	return errors.Join(errs...)
}

// deliveryBill is what the deliveries cost on blob, and then what it costs that nothing happens.
func deliveryBill(o options, app *process, meter *meter, what string) error {
	_, writes, reads := meter.taken()
	line(what+"storage operations a delivered event", fmt.Sprintf("%d writes and lists, %d reads", writes, reads),
		fmt.Sprintf("%d events", o.delivered), float64(writes+reads)/float64(o.delivered), "–")
	time.Sleep(2 * tick * time.Second) // what is still to be recorded
	meter.taken()
	time.Sleep(3 * tick * time.Second)
	_, writes, reads = meter.taken()
	line(what+"storage operations of an idle run of the timer", fmt.Sprintf("%d writes and lists, %d reads in 3 runs", writes, reads),
		fmt.Sprintf("%d subscriptions", o.subscriptions), float64(writes+reads)/3/float64(o.subscriptions), "–")
	begun := time.Now()
	if _, err := stream(app.host, "/health", "application/json"); err != nil {
		return err
	}
	took := time.Since(begun)
	_, writes, reads = meter.taken()
	line(what+"GET /health", took.String(), fmt.Sprintf("%d writes and lists, %d reads", writes, reads), float64(writes+reads)/float64(o.subscriptions), "–")
	return nil
}

// publishTimes are the median and the 99th percentile of publishes that await each other: each of them wanted by one
// subscription, or by none.
func publishTimes(o options, app *process, wanted bool) (times [2]time.Duration, err error) {
	took := make([]time.Duration, o.samples)
	for i := range took {
		body := strings.Replace(event, "order-4711", "nobody's", 1)
		if wanted {
			body = strings.Replace(event, "order-4711", fmt.Sprint("order-", i%o.subscriptions), 1)
		}
		begun := time.Now()
		if err := app.post("/topics/bench/events", "application/json", strings.NewReader(body)); err != nil {
			return times, err
		}
		took[i] = time.Since(begun)
	}
	return [2]time.Duration{quantile(took, 50), quantile(took, 99)}, nil
}
