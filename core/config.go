package core

import "maps"

// TopicConfig is how a topic was registered: what it is called and where its log is.
type TopicConfig struct {
	Name        string            `json:"name"`
	Adapter     string            `json:"adapter"`
	Connection  string            `json:"connection,omitempty"`
	Schema      string            `json:"schema,omitempty"`
	Table       string            `json:"table,omitempty"`
	Options     map[string]string `json:"options,omitempty"`
	Description string            `json:"description,omitempty"`
}

// Equal reports whether two configurations are the same in every field.
func (c TopicConfig) Equal(other TopicConfig) bool {
	return c.Name == other.Name && c.Adapter == other.Adapter && c.Connection == other.Connection &&
		c.Schema == other.Schema && c.Table == other.Table && c.Description == other.Description &&
		maps.Equal(c.Options, other.Options)
}
