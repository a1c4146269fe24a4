package topics

import "eventstore/core"

// maxName is the most characters of a topic's name.
const maxName = 100

// CheckName checks a topic's name: lower-case letters, digits, '-', '_' and '.', starting
// and ending with a letter or digit, 1 to 100 characters. The error is a
// [core.InvalidError].
func CheckName(name string) error {
	const rule = "it has 1 to 100 lower-case letters, digits, '-', '_' and '.', and starts and ends with a letter or digit"
	switch {
	case name == "":
		return core.Invalid("name", "is missing or empty; %s", rule)
	case len(name) > maxName:
		return core.Invalid("name", "%.20q… has %d bytes; %s", name, len(name), rule)
	case !alphanumeric(name[0]) || !alphanumeric(name[len(name)-1]):
		return core.Invalid("name", "%q is not a topic's name; %s", name, rule)
	}
	for i := range len(name) {
		if c := name[i]; !alphanumeric(c) && c != '-' && c != '_' && c != '.' {
			return core.Invalid("name", "%q is not a topic's name; %s", name, rule)
		}
	}
	return nil
}

func alphanumeric(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }
