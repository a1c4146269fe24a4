package main

// part is a package whose tests inject faults.
type part struct {
	folder string
	tests  string   // those that report, as a regular expression of go test's
	of     []string // the classes that they must report
}

var parts = []part{
	{"./test/faults", ".", []string{"kill -9", "failing system calls", "full disk", "truncation", "bit flip"}},
	{"./test/linearizability", ".", []string{"linearizability", "linearizability under faults", "seeded bugs"}},
	{"./test/model", ".", []string{"random sequences"}},
	{"./test/races", ".", []string{"racing writers", "repeated ids", "racing conditions"}},
	{"./test/moving", ".", []string{"moves that are killed"}},
	{"./test/projections", "Kills", []string{"kills during a rebuild"}},
	{"./core/commands", "Clocks", []string{"clock jumps"}},
	{"./adapters/fs", "PowerCuts", []string{"power cut"}},
	{"./adapters/postgres", "AnswerIsLostIsFound|CrashesUnderLoad|SessionsThatEnd", []string{"ambiguous commits", "crashed server", "ended sessions"}},
	{"./adapters/blob", "Spoiled", []string{"spoiled answers"}},
	{"./test/outcomes", ".", []string{"cut connections", "restarted storage", "synchronous failover"}},
}

// classes are those that a run must have reported.
func classes() (all []string) {
	for _, p := range parts {
		all = append(all, p.of...)
	}
	return all
}
