package rest

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"eventstore/core"
	"eventstore/core/cloudevents"
)

// writeBinary answers an event in binary mode: its attributes as ce- headers, its data as the body. That
// may be a page or a picture with scripts, of which a browser is to run nothing as this server's own.
func writeBinary(w http.ResponseWriter, e *core.Event) error {
	body, err := binaryData(e)
	if err != nil {
		return err
	}
	setAttributes(w.Header(), e)
	w.Header().Set("Content-Type", e.DataContentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("Content-Security-Policy", "default-src 'none'; sandbox")
	_, err = w.Write(body)
	return err
}

// binaryData is an event's data as a body. In a type that is not JSON a string stands for its text.
func binaryData(e *core.Event) (body []byte, err error) {
	switch {
	case e.DataBase64 != "":
		return base64.StdEncoding.DecodeString(e.DataBase64)
	case !isJSON(e.DataContentType) && strings.HasPrefix(e.Data, `"`):
		err = readJSON([]byte(e.Data), func(c *cursor) error {
			text, err := c.string()
			body = []byte(text)
			return err
		})
		return body, err
	}
	return []byte(e.Data), nil
}

func setAttributes(header http.Header, e *core.Event) {
	set := func(name, text string) {
		if text != "" {
			header.Set("ce-"+name, percentEncode(text))
		}
	}
	set("specversion", "1.0")
	set("id", e.ID)
	set("source", e.Source)
	set("type", e.Type)
	set("subject", e.Subject)
	set("time", core.FormatTime(e.Time))
	set("sequence", cloudevents.Sequence(e.Position))
	set("recordedtime", core.FormatTime(e.Recorded))
	set("tags", strings.Join(e.Tags, ","))
	if e.More {
		set("more", "true")
	}
	set("hash", e.Hash.String())
	attributes, _ := core.ParseMetadata(e.Metadata) // it was found valid when it was published
	for _, a := range attributes {
		set(a.Name, a.Value)
	}
}

// percentEncode writes a text as the HTTP binding wants header values: space, quote, percent and all
// that is not printable ASCII as %XX of its UTF-8 bytes.
func percentEncode(text string) string {
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; c > ' ' && c < 0x7f && c != '"' && c != '%' {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', upperHex[c>>4], upperHex[c&15]})
		}
	}
	return b.String()
}

const upperHex = "0123456789ABCDEF"
