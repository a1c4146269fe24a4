package rest

import (
	_ "embed"
	"net/http"
)

// description is the OpenAPI 3.1 description of every route; a test holds both against each other.
//
//go:embed openapi.json
var description []byte

// openAPI answers GET /openapi.json.
func (a *api) openAPI(w http.ResponseWriter, r *http.Request) error {
	if err := noParameters(r); err != nil {
		return err
	}
	w.Header()["Content-Type"] = jsonType
	_, _ = w.Write(description) // a client that has gone needs no answer
	return nil
}
