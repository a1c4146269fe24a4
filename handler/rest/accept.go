package rest

import (
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
)

// The media types of answers.
const (
	typeJSON   = "application/json"
	typeNDJSON = "application/x-ndjson"
	typeStream = "text/event-stream"
)

// accepted chooses the offered media type that the request's Accept header likes best, the first
// of those it likes as well; the first where there is no such header.
func accepted(r *http.Request, offers ...string) (string, error) {
	header := strings.Join(r.Header["Accept"], ",")
	if textproto.TrimString(header) == "" {
		return offers[0], nil
	}
	best, bestQuality := "", 0.0
	for _, offer := range offers {
		if quality := quality(header, offer); quality > bestQuality {
			best, bestQuality = offer, quality
		}
	}
	if best == "" {
		return "", &problem{Code: "not-acceptable", Detail: "the Accept header " + quoted(clip(header)) +
			" allows none of " + strings.Join(offers, ", ")}
	}
	return best, nil
}

// quality is the weight, 0 to 1, that an Accept header gives a media type: that of the most specific
// range which covers it. Parameters but q are not compared, and a range that does not parse covers nothing.
func quality(header, offer string) (weight float64) {
	family, _, _ := strings.Cut(offer, "/")
	specific := 0
	for element := range strings.SplitSeq(header, ",") {
		media, parameters, _ := strings.Cut(element, ";")
		rank := map[string]int{"*/*": 1, family + "/*": 2, offer: 3}[strings.ToLower(textproto.TrimString(media))]
		if q := weightOf(parameters); rank > specific || rank == specific && rank > 0 && q > weight {
			specific, weight = rank, q
		}
	}
	return weight
}

func weightOf(parameters string) float64 {
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(textproto.TrimString(parameter), "=")
		if strings.EqualFold(name, "q") {
			q, err := strconv.ParseFloat(value, 64)
			if err != nil || q < 0 || q > 1 {
				return 0
			}
			return q
		}
	}
	return 1
}
