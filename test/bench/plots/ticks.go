package main

import (
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
)

// ticks are the marks of an axis, with numbers as people write them: 10,000 and not 1e+04.
type ticks struct{ logarithmic bool }

// Ticks has a label at every power of ten of a logarithmic axis, and where there are few of them at its 2 and 5 as well.
func (t ticks) Ticks(least, most float64) []plot.Tick {
	if !t.logarithmic {
		marks := plot.DefaultTicks{}.Ticks(least, most)
		for i := range marks {
			if marks[i].Label != "" {
				marks[i].Label = written(marks[i].Value)
			}
		}
		return marks
	}
	var marks []plot.Tick
	crowded := math.Log10(most/least) > 3
	for power := math.Pow(10, math.Floor(math.Log10(least))); power <= most; power *= 10 {
		for digit := 1.0; digit < 10; digit++ {
			value := power * digit
			if value < least*0.999 || value > most*1.001 {
				continue
			}
			label := ""
			if digit == 1 || !crowded && (digit == 2 || digit == 5) {
				label = written(value)
			}
			marks = append(marks, plot.Tick{Value: value, Label: label})
		}
	}
	return marks
}

// written is a number with commas between its thousands.
func written(value float64) string {
	text := strconv.FormatFloat(math.Round(value*1e6)/1e6, 'f', -1, 64)
	whole, fraction, has := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if has {
		return whole + "." + fraction
	}
	return whole
}
