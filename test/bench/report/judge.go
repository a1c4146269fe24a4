package report

import (
	"regexp"
	"strconv"
	"strings"
)

// Verdict is whether a promise is met.
type Verdict string

const (
	Met      Verdict = "met"
	Missed   Verdict = "missed"
	NoneMade Verdict = "" // nothing was promised that a figure could break
)

// bound is one clause of a promise: "≥ 0.5" is of the ratio, "≤ 50 ms" of the figure with that unit.
var bound = regexp.MustCompile(`^(or )?([≥≤]?) ?([0-9][0-9.,]*)(?: ?([^0-9 ].*))?$`)

// judge reads a promise's words: clauses between ", ", of which all must hold, or with "or" any. What has no such clause
// ("–", "never stale") promises no figure.
func judge(r Row) Verdict {
	verdict, atLeast := NoneMade, true
	for i, clause := range strings.Split(r.Promised, ", ") {
		found := bound.FindStringSubmatch(clause)
		if found == nil {
			return NoneMade
		}
		or, sign := found[1] != "", found[2]
		if sign != "" {
			atLeast = sign == "≥"
		} else if i == 0 {
			return NoneMade // a bare figure says not from which side
		}
		holds := verdictOf(within(r, found[3], found[4], atLeast))
		switch {
		case i == 0, or && verdict != Met, !or && verdict == Met:
			verdict = holds
		}
	}
	return verdict
}

func verdictOf(holds bool) Verdict {
	if holds {
		return Met
	}
	return Missed
}

// within compares the ratio, or the measured figure that has the unit, with a limit.
func within(r Row, limit, unit string, atLeast bool) bool {
	value, wanted := r.Ratio, number(limit)
	if unit != "" {
		figure := regexp.MustCompile(`([0-9][0-9.,]*) ?(?:events)?` + regexp.QuoteMeta(unit)).FindStringSubmatch(r.Measured)
		if figure == nil {
			return false
		}
		value = number(figure[1])
	}
	if atLeast {
		return value >= wanted
	}
	return value <= wanted
}

// number reads 300,000 as well as 0.5.
func number(text string) float64 {
	value, _ := strconv.ParseFloat(strings.ReplaceAll(text, ",", ""), 64)
	return value
}
