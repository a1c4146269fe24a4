package trigger

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/netresearch/go-cron"
)

// Schedule says when a timer runs, in UTC, as the host reads it.
type Schedule struct {
	text  string
	times cron.Schedule
}

// ParseSchedule reads a six-field NCRONTAB: {second} {minute} {hour} {day} {month}
// {day of the week}. What the host reads otherwise, or refuses, is refused: a time zone, a
// descriptor such as @daily, 7 for Sunday, a range that ends before it begins, and a
// date that never comes.
func ParseSchedule(text string) (Schedule, error) {
	fields := strings.Fields(text)
	if len(fields) != len(fieldNames) {
		return Schedule{}, fmt.Errorf("schedule %q has %d fields, and needs six: %s", text, len(fields), example)
	}
	for i, field := range fields {
		if err := checkField(fieldNames[i], field); err != nil {
			return Schedule{}, fmt.Errorf("schedule %q: %w", text, err)
		}
	}
	times, err := parser.Parse(strings.Join(fields, " "))
	if err != nil {
		return Schedule{}, fmt.Errorf("schedule %q: %w; it needs six fields: %s", text, err, example)
	}
	schedule := Schedule{text: text, times: times}
	if schedule.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return Schedule{}, fmt.Errorf("schedule %q: such a date never comes", text)
	}
	return schedule, nil
}

const example = "{second} {minute} {hour} {day} {month} {day of the week}, such as 0 */5 * * * * for every five minutes"

var parser = cron.MustNewParser(cron.Second | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

// String is the schedule as it was written.
func (s Schedule) String() string { return s.text }

// Next is the first time after t at which the timer runs.
func (s Schedule) Next(t time.Time) time.Time { return s.times.Next(t.UTC()) }

var (
	fieldNames = []string{"second", "minute", "hour", "day", "month", "day of the week"}
	// part is one of a field's comma-separated parts: * or n or n-m, with a step or without.
	part   = regexp.MustCompile(`^(?:\*|([0-9]+|[A-Za-z]{3})(?:-([0-9]+|[A-Za-z]{3}))?)(?:/[0-9]+)?$`)
	months = []string{"", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}
	days   = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
)

// checkField refuses what the cron library takes and the host does not.
func checkField(name, field string) error {
	for one := range strings.SplitSeq(field, ",") {
		found := part.FindStringSubmatch(one)
		if found == nil {
			return fmt.Errorf("%q is no %s: use *, a value, a range such as 1-5, a step such as */5, or several with commas", one, name)
		}
		first, last := value(name, found[1]), value(name, found[2])
		if name == "day of the week" && (first > 6 || last > 6) {
			return fmt.Errorf("%q is no day of the week: they are 0 (Sunday) to 6", one)
		}
		if found[2] != "" && last < first {
			return fmt.Errorf("the range %q of the %s ends before it begins", one, name)
		}
	}
	return nil
}

// value is a number or a name's place; -1 for neither, which the parser then refuses.
func value(name, text string) int {
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	names := days
	if name == "month" {
		names = months
	}
	return slices.Index(names, strings.ToLower(text))
}
