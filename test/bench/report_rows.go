package main

import (
	"flag"
	"fmt"
	"slices"
	"strings"
)

// rows are all there are, in the order in which they are measured and told.
var rows = []row{
	{"publish", publishRows}, {"postgres", withServers(postgresRow)}, {"blob", withServers(blobRows)}, {"read", readRow}, {"rebuild", withServers(rebuildRows)}, {"open", openRow}, {"start", startRow},
	{"connections", withServers(connectionRows)}, {"open-loop", withServers(openLoopRows)}, {"length", lengthRow}, {"topics", topicsRow}, {"peers", withServers(peerRows)},
	{"subscriptions", withServers(subscriptionRows)}, {"contend", withServers(contendRows)}, {"projecting", projectingRow}, {"wait", withServers(waitRow)}, {"hostile", hostileRow}, {"folds", withServers(foldBill)},
	{"soak", soakRow},
}

const (
	// usual are the rows of a run of ten minutes: the promises of the design, and what its report is drawn from.
	usual = "publish,postgres,blob,read,rebuild,open,start,connections,open-loop,length,topics,peers"
	// others take longer, or answer one question.
	others = "subscriptions,contend,projecting,wait,hostile,folds,soak"
)

// lengthened is what -long and the row "all" stand for. What was asked for by name stays.
func (o options) lengthened() options {
	given := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if o.long && !given["events"] {
		o.events = 10_000_000
	}
	if o.rows == "all" || o.long && !given["rows"] {
		o.rows = usual + "," + strings.TrimSuffix(others, ",soak")
	}
	return o
}

// known reports a row that there is not.
func known(asked string) error {
	var names []string
	for _, r := range rows {
		names = append(names, r.name)
	}
	for name := range strings.SplitSeq(asked, ",") {
		if !slices.Contains(names, name) {
			return fmt.Errorf("-rows %s: there is no row %q, but %s", asked, name, strings.Join(names, ", "))
		}
	}
	return nil
}
