package report

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Markers of the part of a document that is made of a report.
const (
	begin = "<!-- measured: begin -->\n"
	end   = "<!-- measured: end -->\n"
)

// Head are the first two lines of a table of rows.
const Head = "| what | measured | against | ratio | promised | |\n| --- | --- | --- | --- | --- | --- |\n"

// Markdown is the row as a line of a table.
func (r Row) Markdown() string {
	verdict := string(r.Verdict)
	if r.Verdict == Missed {
		verdict = "**missed**"
	}
	ratio := "–"
	if r.Ratio != 0 {
		ratio = fmt.Sprintf("%.2f", r.Ratio)
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s |\n", cell(r.What), cell(r.Measured), cell(r.Against), ratio, cell(r.Promised), verdict)
}

// cell keeps a text from ending its cell.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(text)
}

// Summary says in a sentence how many promises are met, and names those that are not.
func (r Report) Summary() string {
	met, missed := 0, []string{}
	for _, section := range r.Sections {
		for _, row := range section.Rows {
			switch row.Verdict {
			case Met:
				met++
			case Missed:
				missed = append(missed, fmt.Sprintf("%s (%s, ratio %.2f, promised %s)", row.What, row.Measured, row.Ratio, row.Promised))
			}
		}
	}
	text := fmt.Sprintf("%d of %d promised figures are met.", met, met+len(missed))
	for _, one := range missed {
		text += "\n- missed: " + one
	}
	return text
}

// Markdown is the whole report: the machine, and for each section its table and plots, whose files lie in the folder.
func (r Report) Markdown(folder string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s\n", r.Machine, r.Summary())
	for _, s := range r.Sections {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n", s.Name, s.origin())
		if len(s.Rows) > 0 {
			b.WriteString("\n" + Head)
		}
		for _, row := range s.Rows {
			b.WriteString(row.Markdown())
		}
		for _, plot := range s.Plots {
			fmt.Fprintf(&b, "\n![%s](%s/%s.svg)\n", plot.Title, folder, plot.Name)
		}
	}
	return b.String()
}

// origin says when and how a section was measured.
func (s Section) origin() string {
	text := fmt.Sprintf("%s, commit %s, %s; took %.0f s.", s.Taken.UTC().Format("2006-01-02 15:04 UTC"), s.Commit, s.Options, s.Seconds)
	if s.Load >= 1 {
		text += fmt.Sprintf(" **The machine was not quiet: its load average was %.1f before.**", s.Load)
	}
	return text
}

// String is the machine in a line.
func (m Machine) String() string {
	text := fmt.Sprintf("%d × %s, %.0f GiB of memory, %s, files on %s", m.Processors, m.Processor, m.MemoryGiB, m.OS, m.FileSystem)
	for _, name := range slices.Sorted(maps.Keys(m.Versions)) {
		text += ", " + name + " " + m.Versions[name]
	}
	return text + "."
}

// Splice puts a text between the markers of a document, in the place of what is there.
func Splice(document, text string) (string, error) {
	before, rest, found := strings.Cut(document, begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return "", errors.New("the document lacks the markers " + strings.TrimSpace(begin) + " and " + strings.TrimSpace(end))
	}
	return before + begin + "\n" + strings.TrimRight(text, "\n") + "\n" + end + after, nil
}
