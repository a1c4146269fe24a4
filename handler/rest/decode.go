package rest

import (
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"eventstore/core"
)

// publication is what the body of a publish says.
type publication struct {
	Events    []core.Event
	Condition core.Condition
	// Single: the body was one event alone, so that errors say type, not events[0].type.
	Single bool
}

// decodePublish reads an application/json body: one event, an array of events, or an object with
// events and a condition. The events' rules are for [core.Event.Validate]; here stands what only the
// text shows: fields that are unknown, the store's, of a wrong type, or empty.
func decodePublish(body []byte) (p publication, err error) {
	err = readJSON(body, func(c *cursor) (err error) {
		if c.kind() == '[' {
			c.root = "events"
			p.Events, err = c.events((*cursor).event)
			return err
		}
		return c.publication(&p)
	})
	return p, err
}

// publication reads an object, which is an event unless its first field is one of an envelope's.
func (c *cursor) publication(p *publication) error {
	if err := c.open('{'); err != nil {
		return err
	}
	first := ""
	if c.kind() != '}' {
		var err error
		if first, err = c.name(); err != nil {
			return err
		}
	}
	if first == "events" || first == "condition" {
		return c.envelope(p, first)
	}
	event, err := c.eventFields(first)
	p.Events, p.Single = []core.Event{event}, true
	return err
}

func (c *cursor) envelope(p *publication, name string) (err error) {
	hasEvents := false
	for more := true; more; more, name, err = c.nextName() {
		switch name {
		case "events":
			hasEvents = true
			p.Events, err = c.events((*cursor).event)
		case "condition":
			p.Condition, err = c.condition()
		default:
			err = c.unknown("a publish", "events and condition")
		}
		if err != nil {
			return err
		}
	}
	if err == nil && !hasEvents {
		return core.Invalid("events", "is missing; a condition stands beside the events that it is for")
	}
	return err
}

// nextName reads the next member's name, or the end of the object (more is false).
func (c *cursor) nextName() (more bool, name string, err error) {
	if c.kind() == '}' {
		return false, "", c.close()
	}
	name, err = c.name()
	return err == nil, name, err
}

// events reads an array of 1 to 10,000 events.
func (c *cursor) events(read func(*cursor) (core.Event, error)) (events []core.Event, err error) {
	err = c.array(func(i int) error {
		if i == core.MaxRequestEvents {
			return &core.TooLargeError{Place: "events", Reason: fmt.Sprintf("more than %d events; the most in one request is %d", i, i)}
		}
		event, err := read(c)
		events = append(events, event)
		return err
	})
	if err == nil && len(events) == 0 {
		return nil, core.Invalid("events", "is empty; a publish has at least one event")
	}
	return events, err
}

func (c *cursor) event() (core.Event, error) {
	if err := c.open('{'); err != nil {
		return core.Event{}, err
	}
	more, name, err := c.nextName()
	if err != nil {
		return core.Event{}, err
	}
	if !more {
		return core.Event{}, core.Invalid(c.within("type"), "is missing; an event has at least that")
	}
	return c.eventFields(name)
}

// eventFields reads an event whose first field's name was read; "" where it has none.
func (c *cursor) eventFields(name string) (e core.Event, err error) {
	if name == "" && c.kind() == '}' {
		return e, core.Invalid("type", "is missing; an event has at least that")
	}
	for more := true; more; more, name, err = c.nextName() {
		if err := c.eventField(&e, name); err != nil {
			return e, err
		}
	}
	if err == nil && e.Type == "" {
		return e, core.Invalid(c.within("type"), "is missing; it has 1 to %d characters", core.MaxType)
	}
	return e, err
}

// within is the place of a field of the object that was just closed.
func (c *cursor) within(field string) string {
	return c.place(c.decoder.StackPointer().AppendToken(field))
}

const eventFieldNames = "id, type, source, subject, tags, time, dataContentType, data, dataBase64 and metadata"

func (c *cursor) eventField(e *core.Event, name string) (err error) {
	switch name {
	case "id":
		e.ID, err = c.filled()
	case "type":
		e.Type, err = c.filled()
	case "source":
		e.Source, err = c.filled()
	case "subject":
		e.Subject, err = c.filled()
	case "tags":
		e.Tags, err = c.filledStrings()
	case "time":
		err = c.time(e)
	case "dataContentType":
		e.DataContentType, err = c.filled()
	case "data":
		e.Data, err = c.value()
	case "dataBase64":
		e.DataBase64, err = c.filled()
	case "metadata":
		e.Metadata, err = c.metadata()
	case "position", "recorded", "more", "hash":
		err = c.invalid("is given by the store; leave it out")
	default:
		err = c.unknown("an event", eventFieldNames)
	}
	return err
}

func (c *cursor) time(e *core.Event) error {
	text, err := c.string()
	if err != nil {
		return err
	}
	if e.Time, err = core.ParseTime(text); err != nil {
		return c.invalid("%v", err)
	}
	return nil
}

// metadata reads an object as it stands; an empty one is none.
func (c *cursor) metadata() (string, error) {
	if kind := c.kind(); kind != '{' && kind != jsontext.KindInvalid {
		return "", c.wrongType('{')
	}
	text, err := c.value()
	if text == "{}" {
		return "", err
	}
	return text, err
}

// condition reads {"failIfMatch":[items],"after":n}.
func (c *cursor) condition() (condition core.Condition, err error) {
	has := false
	err = c.object(func(name string) (err error) {
		switch name {
		case "failIfMatch":
			has = true
			condition.FailIfMatch, err = c.items()
		case "after":
			var after int64
			after, err = c.integer(0)
			condition.After = core.Position(after)
		default:
			err = c.unknown("a condition", "failIfMatch and after")
		}
		return err
	})
	if err == nil && !has {
		return condition, core.Invalid(c.within("failIfMatch"), "is missing; a condition says which events must not be there")
	}
	return condition, err
}

// items reads the items of a condition or a filter.
func (c *cursor) items() (items []core.Item, err error) {
	err = c.array(func(int) error {
		item, err := c.item()
		items = append(items, item)
		return err
	})
	return items, err
}

func (c *cursor) item() (item core.Item, err error) {
	err = c.object(func(name string) (err error) {
		switch name {
		case "types":
			item.Types, err = c.filledStrings()
		case "subjects":
			item.Subjects, err = c.filledStrings()
		case "tags":
			item.Tags, err = c.filledStrings()
		default:
			err = c.unknown("an item", "types, subjects and tags")
		}
		return err
	})
	if err == nil {
		err = item.Validate(c.place(c.decoder.StackPointer()))
	}
	return item, err
}
