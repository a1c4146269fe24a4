package javascript

import (
	"errors"
	"fmt"
	"strings"

	"eventstore/core"
)

// checkDocument refuses what no reader of JSON here would take: too large, too deep, or with half a surrogate pair.
func checkDocument(text string) error {
	if len(text) > MaxDocument {
		return fmt.Errorf("the document has %d bytes; the most is %d", len(text), MaxDocument)
	}
	if strings.Count(text, "{")+strings.Count(text, "[") > core.MaxDepth {
		if err := core.CheckDepth([]byte(text)); err != nil {
			return fmt.Errorf("the document: %w", err)
		}
	}
	if strings.Contains(text, `\ud`) {
		if _, err := core.CompactJSON([]byte(text)); err != nil {
			return errors.New("the document has half a surrogate pair in a string")
		}
	}
	return nil
}
