package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// well is how many receivers there are whose times count.
const well = 20

// deadReceivers: the time from a publish to its delivery, for receivers that are well, alone and beside dead ones.
func deadReceivers(o options, dir string) error {
	alone, err := deliveryTimes(o, filepath.Join(dir, "alone"), 0)
	if err != nil {
		return err
	}
	beside, err := deliveryTimes(o, filepath.Join(dir, "beside"), 5)
	if err != nil {
		return err
	}
	for _, percent := range []int{50, 99} {
		with, without := quantile(beside, percent), quantile(alone, percent)
		line(fmt.Sprintf("from a publish to its delivery, fs, %d receivers that are well, beside 5 that hang and a subject that all refuse: p%d", well, percent),
			with.String(), "without those: "+without.String(), float64(with)/float64(without), "≤ 2")
	}
	return nil
}

// deliveryTimes publishes at an even pace to receivers that are well, and so many that hang; where there are any, one
// subject is refused by all.
func deliveryTimes(o options, dir string, hanging int) ([]time.Duration, error) {
	receiver, err := newCallbacks()
	if err != nil {
		return nil, err
	}
	defer receiver.server.Close()
	app, err := startApp(o, "fs:"+dir, "EVENTSTORE_CALLBACKS=any")
	if err != nil {
		return nil, err
	}
	defer app.end()
	err = app.createTopic("bench")
	for n := range well {
		err = errors.Join(err, app.subscribe(fmt.Sprintf("%s/well/%d", receiver.url, n), "", 0))
	}
	for n := range hanging {
		err = errors.Join(err, app.subscribe(fmt.Sprintf("%s/hang/%d", receiver.url, n), "", 0))
	}
	if err == nil {
		err = publishSteadily(app, hanging > 0)
	}
	if err == nil {
		err = receiver.await(well * steady)
	}
	return receiver.times(), err
}

// steady is how many events publishSteadily publishes, 50 a second.
const steady = 500

func publishSteadily(app *process, dead bool) error {
	beat := time.NewTicker(20 * time.Millisecond)
	defer beat.Stop()
	for i := range steady {
		if dead && i%50 == 0 {
			if err := app.post("/topics/bench/events", "application/json", strings.NewReader(timedEvent("dead"))); err != nil {
				return err
			}
		}
		if err := app.post("/topics/bench/events", "application/json", strings.NewReader(timedEvent(fmt.Sprint("s", i%50)))); err != nil {
			return err
		}
		<-beat.C
	}
	return nil
}
