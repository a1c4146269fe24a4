package projections

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"eventstore/core"
	"eventstore/core/topics"
)

const (
	// controls holds one document per projection, by name: which version is live, and how far each has come. It
	// is the only thing that decides; a deleted projection keeps its own, for its version numbers go on.
	controls = "projections"
	// definitions holds the definition of each version, by name and number; they never change.
	definitions = "projection-definitions"
	// leases holds who works at a version for longer.
	leases = "projection-leases"
)

// control is a projection as it is kept.
type control struct {
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	Deleted bool      `json:"deleted,omitempty"`
	Paused  bool      `json:"paused,omitempty"`
	// Next is the number of the next version. It only grows.
	Next int `json:"next"`
	// Live is what readers see, Previous what a rollback brings back, Build what is made beside; 0 is none.
	Live     int `json:"live,omitempty"`
	Previous int `json:"previous,omitempty"`
	Build    int `json:"build,omitempty"`
	// Versions are those three.
	Versions map[int]*version `json:"versions"`
	// Garbage are versions whose documents are still to be deleted.
	Garbage []garbage `json:"garbage,omitempty"`
	// Scheduled is when a schedule was last looked at; Schedule and Description are those of the newest definition.
	Scheduled   time.Time `json:"scheduled,omitzero"`
	Schedule    string    `json:"schedule,omitempty"`
	Description string    `json:"description,omitempty"`

	revision string // of the document
}

// version is one set of documents, made by one definition from position 1 on.
type version struct {
	Digest     string     `json:"digest"` // of the definition
	Topics     []string   `json:"topics"`
	Checkpoint Checkpoint `json:"checkpoint,omitempty"`
	Started    time.Time  `json:"started"`
	Progress   time.Time  `json:"progress,omitzero"` // when the checkpoint last moved
	Rate       float64    `json:"rate,omitempty"`    // events per second, lately
	Documents  int64      `json:"documents"`         // as counted along the way
	Failure    *Failure   `json:"failure,omitempty"`
	Skipped    []Skipped  `json:"skipped,omitempty"`
	Counted    *Count     `json:"counted,omitempty"`
	Check      *check     `json:"check,omitempty"`      // of a rebuild at the head
	Mismatches int        `json:"mismatches,omitempty"` // how often it did not verify
}

type garbage struct {
	Version int       `json:"version"`
	Since   time.Time `json:"since"`
}

// Place is an event's position and hash. The hash tells whether a log still has the event that was folded.
type Place struct {
	Position core.Position `json:"position"`
	Hash     core.Hash     `json:"-"`
}

type storedPlace struct {
	Position core.Position `json:"position"`
	Hash     string        `json:"hash"`
}

// MarshalJSON writes the hash in hex.
func (p Place) MarshalJSON() ([]byte, error) {
	return json.Marshal(storedPlace{p.Position, p.Hash.String()})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (p *Place) UnmarshalJSON(text []byte) (err error) {
	var stored storedPlace
	if err := json.Unmarshal(text, &stored); err != nil {
		return err
	}
	p.Position = stored.Position
	p.Hash, err = core.ParseHash(stored.Hash)
	return err
}

// Checkpoint is how far a version has come in each topic; a topic that is not in it is at 0.
type Checkpoint map[string]Place

// positions are the positions of a checkpoint in these topics.
func (c Checkpoint) positions(topics []string) Positions {
	positions := Positions{}
	for _, topic := range topics {
		positions[topic] = c[topic].Position
	}
	return positions
}

// Positions are positions by topic.
type Positions map[string]core.Position

// Failure is an event that a projection can't fold, or a log that it can't read.
type Failure struct {
	Topic       string        `json:"topic,omitempty"`
	Position    core.Position `json:"position,omitempty"`
	Message     string        `json:"message"`
	Attempts    int           `json:"attempts"`
	NextAttempt time.Time     `json:"nextAttempt"`
	// Event is whether an event is at fault, so that it can be skipped.
	Event bool `json:"event,omitempty"`
	// Verify is whether a rebuild is not what a fresh fold makes.
	Verify bool `json:"verify,omitempty"`
	// Foreign is whether the log has another event at the checkpoint, so that only a rebuild helps.
	Foreign bool `json:"foreign,omitempty"`
}

// Skipped is an event that was passed over on demand.
type Skipped struct {
	Topic    string        `json:"topic"`
	Position core.Position `json:"position"`
	Message  string        `json:"message"` // what it failed with
	At       time.Time     `json:"at"`
}

// errStale: another run has moved what this one began from. Nothing is lost; a next run goes on from there.
var errStale = errors.New("another run was faster")

// load reads a projection. ErrNotFound: there is none, or it was deleted.
func (p *Projections) load(ctx context.Context, name string) (*control, error) {
	c, err := p.loadAny(ctx, name)
	if err != nil {
		return nil, err
	}
	if c.Deleted || c.revision == "" {
		return nil, fmt.Errorf("%w: %q", ErrNotFound, name)
	}
	return c, nil
}

// loadAny reads a projection, deleted or not; an empty one where there never was any.
func (p *Projections) loadAny(ctx context.Context, name string) (*control, error) {
	c := &control{Name: name, Next: 1, Versions: map[int]*version{}}
	if topics.CheckName(name) != nil {
		return c, nil // no such projection can be
	}
	document, err := p.config.Documents.Get(ctx, controls, name)
	if errors.Is(err, core.ErrNotFound) {
		return c, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading projection %q: %w", name, err)
	}
	return decodeControl(document)
}

func decodeControl(document core.Document) (*control, error) {
	c := &control{revision: document.Version}
	err := json.Unmarshal(document.Value, c)
	for _, number := range []int{c.Live, c.Previous, c.Build} {
		if number != 0 && c.Versions[number] == nil {
			err = errors.Join(err, fmt.Errorf("version %d is missing", number))
		}
	}
	if err != nil || c.Name != document.Key {
		return nil, &core.CorruptError{Place: fmt.Sprintf("document %q of %q", document.Key, controls), Reason: fmt.Sprintf("it is no projection: %v", err)}
	}
	if c.Versions == nil {
		c.Versions = map[int]*version{}
	}
	return c, nil
}

// updates bounds how often a change is made anew because the projection was changed meanwhile.
const updates = 30

// update changes a projection with compare-and-set. change is called anew on what is there now whenever somebody else
// was faster; what it returns as error ends the update. An unknown outcome is an error; every change may be repeated.
func (p *Projections) update(ctx context.Context, name string, change func(*control) error) (*control, error) {
	for range updates {
		c, err := p.loadAny(ctx, name)
		if err != nil {
			return nil, err
		}
		if err := change(c); err != nil {
			return nil, err
		}
		c.drop()
		value, err := json.Marshal(c)
		if err != nil {
			return nil, fmt.Errorf("encoding projection %q: %w", name, err)
		}
		versions, err := p.config.Documents.Write(ctx, core.Write{Collection: controls, Key: name, Value: value, Expect: c.revision})
		if err == nil {
			c.revision = versions[0]
			return c, nil
		}
		if !errors.Is(err, core.ErrConflict) {
			return nil, fmt.Errorf("writing projection %q: %w", name, err)
		}
	}
	return nil, fmt.Errorf("%w: projection %q kept changing", core.ErrTooBusy, name)
}

// drop forgets the versions that are none of the three.
func (c *control) drop() {
	maps.DeleteFunc(c.Versions, func(number int, _ *version) bool {
		return number != c.Live && number != c.Previous && number != c.Build
	})
}

// discard makes a version's documents garbage.
func (c *control) discard(number int, now time.Time) {
	if number != 0 && !slices.ContainsFunc(c.Garbage, func(g garbage) bool { return g.Version == number }) {
		c.Garbage = append(c.Garbage, garbage{number, now})
	}
}

func (c *control) keep(number int) {
	c.Garbage = slices.DeleteFunc(c.Garbage, func(g garbage) bool { return g.Version == number })
}

// existing refuses to change a projection that is not there.
func (c *control) existing() error {
	if c.Deleted || c.revision == "" {
		return fmt.Errorf("%w: %q", ErrNotFound, c.Name)
	}
	return nil
}

func definitionKey(name string, number int) string { return fmt.Sprintf("%s/%d", name, number) }

// definition reads a version's definition.
func (p *Projections) definition(ctx context.Context, name string, number int) (Definition, error) {
	document, err := p.config.Documents.Get(ctx, definitions, definitionKey(name, number))
	if err != nil {
		return Definition{}, fmt.Errorf("reading the definition of version %d of %q: %w", number, name, err)
	}
	var d Definition
	if err := json.Unmarshal(document.Value, &d); err != nil {
		return d, &core.CorruptError{Place: fmt.Sprintf("document %q of %q", document.Key, definitions), Reason: err.Error()}
	}
	return d, nil
}
