package cli

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"
)

func subscriptionCommands(w World) *cobra.Command {
	list := asking(w, "list TOPIC", "list a topic's subscriptions, one a line", cobra.ExactArgs(1), func(t *talk, args []string) error {
		return t.pages(t.ctx, topicPath(args[0], "subscriptions"), "subscriptions", nil, func(s jsontext.Value) error { return t.say(s) })
	}, topicNames)
	remove := asking(w, "delete TOPIC ID", "delete a subscription", cobra.ExactArgs(2), func(t *talk, args []string) error {
		if _, err := t.ask(t.ctx, http.MethodDelete, topicPath(args[0], "subscriptions", args[1]), nil); err != nil {
			return err
		}
		t.note("subscription %s is deleted", args[1])
		return nil
	}, topicNames, subscriptionIDs)
	return group("subscriptions", "list, show, create, delete and steer callbacks", list, subscribeCommand(w), remove, rewindCommand(w),
		onSubscription(w, "show", "show a subscription", http.MethodGet, ""),
		onSubscription(w, "parked", "show the subjects that could not be delivered", http.MethodGet, "parked"),
		onSubscription(w, "redrive", "deliver what is parked, in order, at once", http.MethodPost, "redrive"),
		onSubscription(w, "pause", "stop delivering", http.MethodPost, "pause"),
		onSubscription(w, "resume", "go on delivering", http.MethodPost, "resume"),
		onSubscription(w, "rotate-secret", "make a new secret; both sign for 24 hours", http.MethodPost, "rotate-secret"))
}

// onSubscription makes a command that needs a topic and an id alone.
func onSubscription(w World, name, short, method, action string) *cobra.Command {
	return asking(w, name+" TOPIC ID", short, cobra.ExactArgs(2), func(t *talk, args []string) error {
		path := topicPath(args[0], "subscriptions", args[1])
		if action != "" {
			path += "/" + action
		}
		return t.relay(method, path, nil)
	}, topicNames, subscriptionIDs)
}

func subscribeCommand(w World) *cobra.Command {
	c := asking(w, "create TOPIC CALLBACK", "have a topic's events sent to an address; the same again renews it", cobra.ExactArgs(2), (*talk).subscribe, topicNames)
	c.Flags().Int64("from", 0, "the first `position` to deliver; else the one behind the head")
	c.Flags().StringArray("type", nil, "events of this `type`, or any of several; may be repeated, as may subject and tag")
	c.Flags().StringArray("subject", nil, "events about this `subject`, or any of several")
	c.Flags().StringArray("tag", nil, "events with this `tag`, and with all of several")
	c.Flags().String("name", "", "a `name` that tells two subscriptions of one callback apart")
	c.Flags().String("ttl", "", "how long it lives if it is not renewed: a `duration` such as 168h")
	c.Flags().Int64("batch", 0, "the most `events` in a delivery")
	c.Flags().String("secret-file", "", "a `file` with the secret, whsec_…; - is standard input; else one is made")
	return c
}

// subscription is what registers one.
type subscription struct {
	Callback string   `json:"callback"`
	Types    []string `json:"types,omitempty"`
	Subjects []string `json:"subjects,omitempty"`
	Tags     []string `json:"tags,omitempty"`
	Secret   string   `json:"secret,omitzero"`
	TTL      string   `json:"ttl,omitzero"`
	Batch    int64    `json:"batch,omitzero"`
	Name     string   `json:"name,omitzero"`
}

func (t *talk) subscribe(args []string) error {
	secret, err := t.fileOf("secret-file")
	if err != nil {
		return err
	}
	query := url.Values{}
	if t.given("from") {
		query.Set("from", strconv.FormatInt(t.number("from"), 10))
	}
	return t.relayJSON(http.MethodPost, withQuery(topicPath(args[0], "subscriptions"), query), subscription{Callback: args[1], Types: t.texts("type"),
		Subjects: t.texts("subject"), Tags: t.texts("tag"), Secret: secret, TTL: t.text("ttl"), Batch: t.number("batch"), Name: t.text("name")})
}

func rewindCommand(w World) *cobra.Command {
	c := asking(w, "rewind TOPIC ID", "deliver again from a position", cobra.ExactArgs(2), func(t *talk, args []string) error {
		if t.number("from") < 1 {
			return Usage("rewind needs --from, the position to deliver from")
		}
		return t.relayJSON(http.MethodPost, topicPath(args[0], "subscriptions", args[1], "rewind"), map[string]int64{"from": t.number("from")})
	}, topicNames, subscriptionIDs)
	c.Flags().Int64("from", 0, "the `position` to deliver from")
	return c
}

// subscriptionIDs lists a topic's subscriptions, for completion.
func subscriptionIDs(t *talk, args []string) ([]string, error) {
	return t.names(topicPath(args[0], "subscriptions"), "subscriptions", "id")
}
