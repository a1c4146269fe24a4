// Package examples runs what the documentation shows: the commands of its pages, and the examples.
package examples

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// Block is a fenced block of a page.
type Block struct {
	Line  int    // where it begins
	Kind  string // sh, text, json …
	Text  string
	Needs string // what it needs that a test has not: "docker", say; "" if it can be run
}

// needs are all that a block may be marked to need, with the programs that only such a block may use.
var needs = map[string]*regexp.Regexp{
	"azure":                 regexp.MustCompile(`\b(az|azd) |\$url`),
	"docker":                regexp.MustCompile(`\bdocker `),
	"core tools":            regexp.MustCompile(`\bfunc start`),
	"a terminal of its own": regexp.MustCompile(`(?m)(build/handler|go run \./examples/.*|npx httpyac .*)$`),
}

var fence = regexp.MustCompile("^```([a-z]*)( .*)?$")

// Read reads a page's blocks. A mark `<!-- needs: x -->` stands on the line before its block.
func Read(file string) (blocks []Block, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(string(text), "\n")
	for i := 0; i < len(lines); i++ {
		open := fence.FindStringSubmatch(lines[i])
		if open == nil {
			continue
		}
		block := Block{Line: i + 1, Kind: open[1]}
		if i > 0 {
			block.Needs = strings.TrimSuffix(strings.TrimPrefix(lines[i-1], "<!-- needs: "), " -->")
			if block.Needs == lines[i-1] {
				block.Needs = ""
			}
		}
		var inside bytes.Buffer
		for i++; i < len(lines) && lines[i] != "```"; i++ {
			inside.WriteString(lines[i] + "\n")
		}
		if i == len(lines) {
			return nil, fmt.Errorf("%s:%d: the block does not end", file, block.Line)
		}
		block.Text = inside.String()
		if err := block.check(); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, block.Line, err)
		}
		blocks = append(blocks, block)
	}
	return blocks, nil
}

// check refuses a mark that a block does not need, and the lack of one that it does.
func (b Block) check() error {
	if b.Kind != "sh" {
		if b.Needs != "" {
			return fmt.Errorf("a block that is not sh needs nothing, and this is marked to need %s", b.Needs)
		}
		return nil
	}
	if b.Needs != "" && needs[b.Needs] == nil {
		return fmt.Errorf("nothing is known of %q", b.Needs)
	}
	for name, uses := range needs {
		if name == b.Needs && !uses.MatchString(b.Text) {
			return fmt.Errorf("it is marked to need %s, and does not: then it is to be run", name)
		}
		if b.Needs == "" && uses.MatchString(b.Text) {
			return fmt.Errorf("it needs %s, and is not marked so", name)
		}
	}
	return nil
}
