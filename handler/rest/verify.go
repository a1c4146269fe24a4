package rest

import (
	"net/http"

	"eventstore/core"
)

// verification is what GET /topics/{topic}/verify answers.
type verification struct {
	From     core.Position `json:"from"`
	To       core.Position `json:"to"`
	Verified int64         `json:"verified"`
	Head     core.Position `json:"head"`
	Hash     string        `json:"hash"`
	Broken   *broken       `json:"broken,omitzero"`
}

type broken struct {
	Position core.Position `json:"position"`
	Reason   string        `json:"reason"`
}

// verify answers GET /topics/{topic}/verify.
func (a *api) verify(w http.ResponseWriter, r *http.Request) error {
	topic, err := topicName(r)
	if err != nil {
		return err
	}
	given, err := parameters(r, "from", "to")
	if err != nil {
		return err
	}
	from, err := positionParameter(given, "from")
	if err != nil {
		return err
	}
	to, err := positionParameter(given, "to")
	if err != nil {
		return err
	}
	if to != 0 && to < from {
		return invalidRequest("to", "lies before from")
	}
	found, err := a.Reader.Verify(r.Context(), topic, from, to)
	if err != nil {
		return err
	}
	answer := verification{From: found.From, To: found.To, Verified: found.Verified, Head: found.Head, Hash: found.Hash.String()}
	if found.Broken != nil {
		a.Log.ErrorContext(r.Context(), "a chain is broken", "topic", topic, "position", found.Broken.Position, "reason", found.Broken.Reason)
		answer.Broken = &broken{found.Broken.Position, found.Broken.Reason}
	}
	return writeJSON(w, http.StatusOK, answer)
}
