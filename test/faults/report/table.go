package report

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Table is the rows of a run, those of one class and adapter made one.
type Table struct {
	Seed uint64        `json:"seed,omitempty"`
	Form string        `json:"form"` // short or long
	Took time.Duration `json:"took,omitempty"`
	Sum  string        `json:"sum"`
	Rows []*Row        `json:"rows"`
}

// Read makes a table of rows as tests wrote them.
func Read(from io.Reader) (*Table, error) {
	merged := map[[2]string]*Row{}
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		row := new(Row)
		if err := json.Unmarshal(lines.Bytes(), row); err != nil {
			return nil, fmt.Errorf("row %q: %w", lines.Text(), err)
		}
		key := [2]string{row.Class, row.Adapter}
		if merged[key] == nil {
			merged[key] = &Row{Class: row.Class, Adapter: row.Adapter, Figures: map[string]int{}}
		}
		merged[key].add(row)
	}
	table := &Table{Rows: slices.SortedFunc(maps.Values(merged), func(a, b *Row) int {
		return strings.Compare(a.Class+"\x00"+a.Adapter, b.Class+"\x00"+b.Adapter)
	})}
	table.Sum = table.sum()
	return table, lines.Err()
}

// add takes in another row of the same class and adapter.
func (r *Row) add(other *Row) {
	if other.Failed {
		r.Failed, r.Test = true, strings.TrimPrefix(r.Test+", "+other.Test, ", ")
	}
	r.Injected += other.Injected
	r.Acknowledged += other.Acknowledged
	r.Lost += other.Lost
	r.Duplicated += other.Duplicated
	r.Reordered += other.Reordered
	r.Unknown += other.Unknown
	r.Resolved += other.Resolved
	r.Unrecovered += other.Unrecovered
	r.Recoveries = append(r.Recoveries, other.Recoveries...)
	for figure, n := range other.Figures {
		r.Figures[figure] += n
	}
}

// Green reports whether nothing was lost, doubled, reordered or left in need of a hand, and nothing else failed.
func (r *Row) Green() bool {
	return !r.Failed && r.Injected > 0 && r.Lost+r.Duplicated+r.Reordered+r.Unrecovered == 0 && r.Unknown == r.Resolved
}

// P99 is the longest recovery but for the slowest hundredth; 0 where none was measured.
func (r *Row) P99() time.Duration {
	if len(r.Recoveries) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(r.Recoveries))
	return sorted[(len(sorted)*99+99)/100-1]
}

// Green reports whether every row is, and each of these classes is among them.
func (t *Table) Green(classes ...string) error {
	var wrong []string
	for _, row := range t.Rows {
		if !row.Green() {
			wrong = append(wrong, fmt.Sprintf("%s on %s failed (%s)", row.Class, row.Adapter, row.Test))
		}
	}
	for _, class := range classes {
		if !slices.ContainsFunc(t.Rows, func(r *Row) bool { return r.Class == class }) {
			wrong = append(wrong, fmt.Sprintf("nothing was reported of %s", class))
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%s", strings.Join(wrong, "; "))
	}
	return nil
}

func (t *Table) sum() string {
	all := Row{Figures: map[string]int{}}
	for _, row := range t.Rows {
		all.add(row)
	}
	order := "order kept"
	if all.Reordered > 0 {
		order = fmt.Sprintf("%s out of order", thousands(all.Reordered))
	}
	sum := fmt.Sprintf("%s faults injected, %s acknowledged events lost, %s duplicated, %s, %s starts that needed a hand",
		thousands(all.Injected), thousands(all.Lost), thousands(all.Duplicated), order, thousands(all.Unrecovered))
	if all.Failed {
		sum += "; FAILED: " + all.Test
	}
	return sum
}

// Markdown is the table for readers, the sum line first.
func (t *Table) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "**%s.**\n\n", t.Sum)
	if t.Took > 0 {
		fmt.Fprintf(&b, "The %s form, in %s; repeat it with `make faults SEED=%d`.\n\n", t.Form, t.Took.Round(time.Second), t.Seed)
	}
	b.WriteString("| fault class | adapter | injected | acknowledged | lost | duplicated | reordered | unknown → resolved | unrecovered starts | recovery p99 |\n")
	b.WriteString("| --- | --- | --: | --: | --: | --: | --: | --: | --: | --: |\n")
	for _, r := range t.Rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %d | %d | %d | %s → %s | %d | %s |\n", r.Class+mark(r), r.Adapter, thousands(r.Injected),
			thousands(r.Acknowledged), r.Lost, r.Duplicated, r.Reordered, thousands(r.Unknown), thousands(r.Resolved), r.Unrecovered, r.recovery())
	}
	b.WriteString("\n")
	for _, r := range t.Rows {
		if len(r.Figures) > 0 {
			fmt.Fprintf(&b, "- %s, %s: %s\n", r.Class, r.Adapter, r.figures())
		}
	}
	return b.String()
}

func mark(r *Row) string {
	if r.Green() {
		return ""
	}
	return " **FAILED**"
}

func (r *Row) recovery() string {
	if len(r.Recoveries) == 0 {
		return "–"
	}
	return fmt.Sprintf("%d ms", r.P99().Milliseconds())
}

func (r *Row) figures() string {
	var texts []string
	for _, name := range slices.Sorted(maps.Keys(r.Figures)) {
		texts = append(texts, fmt.Sprintf("%s %s", name, thousands(r.Figures[name])))
	}
	return strings.Join(texts, ", ")
}

// thousands writes a number with commas.
func thousands(n int) string {
	digits := fmt.Sprint(n)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}
