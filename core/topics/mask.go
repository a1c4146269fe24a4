package topics

import (
	"regexp"
	"strings"
)

// masked stands where a secret was.
const masked = "***"

// MaskConnection makes a connection fit to be shown: of what it holds only what is known to
// be no secret stays (hosts, names, modes, a plain path), and *** stands for all else: passwords, keys,
// signatures, unknown parameters and whatever can't be told apart for certain.
func MaskConnection(connection string) string {
	if _, ok := settingName(connection); ok {
		return connection
	}
	if scheme, rest, ok := strings.Cut(connection, "://"); ok && plainWord(scheme) {
		return scheme + "://" + maskURL(rest)
	}
	switch {
	case strings.Contains(connection, ";"):
		return maskList(connection, ";")
	case strings.Contains(connection, "="):
		return maskKeywords(connection)
	case strings.ContainsAny(connection, "@?"): // part of a URL, perhaps
		return masked
	}
	return connection
}

// maskURL masks what follows "scheme://". A password may hold any character, so all between
// the first colon and the last '@' goes, and an '@' where it can be either's leaves nothing.
func maskURL(rest string) string {
	parameters := ""
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		if strings.Contains(rest[i:], "@") {
			return masked
		}
		rest, parameters = rest[:i], maskParameters(rest[i:])
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		user, _, _ := strings.Cut(rest[:at], ":")
		return plainOr(user) + ":" + masked + "@" + hostsAndPath(rest[at+1:]) + parameters
	}
	return hostsAndPath(rest) + parameters
}

// maskParameters masks a URL's "?…" or "#…".
func maskParameters(text string) string {
	if text[0] == '#' {
		return "#" + masked
	}
	query, fragment, ok := strings.Cut(text[1:], "#")
	shown := "?" + maskList(query, "&")
	if ok {
		shown += "#" + fragmentMasked(fragment)
	}
	return shown
}

func fragmentMasked(fragment string) string {
	if fragment == "" {
		return ""
	}
	return masked
}

// maskList masks the values of key=value parts.
func maskList(text, separator string) string {
	parts := strings.Split(text, separator)
	for i, part := range parts {
		if part != "" {
			parts[i] = maskPair(strings.Cut(part, "="))
		}
	}
	return strings.Join(parts, separator)
}

// maskKeywords masks PostgreSQL's key=value words, whose values may be quoted. From what is
// no such word on nothing is shown.
func maskKeywords(text string) string {
	var shown []string
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		key, rest, ok := strings.Cut(text, "=")
		key = strings.TrimSpace(key)
		if !ok || !plainWord(key) {
			return strings.Join(append(shown, masked), " ")
		}
		value, after := keywordValue(strings.TrimLeft(rest, " \t\r\n"))
		shown = append(shown, maskPair(key, value, true))
		text = after
	}
	return strings.Join(shown, " ")
}

// keywordValue splits a value, quoted or not, with backslashes that escape, from what follows.
func keywordValue(text string) (value, after string) {
	quoted := strings.HasPrefix(text, "'")
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\':
			i++
		case quoted && i > 0 && text[i] == '\'':
			return text[:i+1], text[i+1:]
		case !quoted && strings.IndexByte(" \t\r\n\v\f", text[i]) >= 0:
			return text[:i], text[i:]
		}
	}
	return text, ""
}

func maskPair(key, value string, ok bool) string {
	key = strings.TrimSpace(key)
	switch {
	case !ok:
		return masked
	case !shownKeys[strings.ToLower(key)] && !keyName.MatchString(key): // not even its name is sure to be one
		return masked
	case !shownKeys[strings.ToLower(key)]:
		return key + "=" + masked
	}
	if scheme, rest, ok := strings.Cut(value, "://"); ok && plainWord(scheme) {
		return key + "=" + scheme + "://" + maskURL(rest)
	}
	return key + "=" + plainOr(value)
}

// shownKeys are the parameters whose values are no secrets: PostgreSQL's, storage connection
// strings', and those of a shared access signature but the signature.
var shownKeys = func() map[string]bool {
	keys := map[string]bool{}
	for key := range strings.FieldsSeq(`host hostaddr port dbname database user sslmode sslrootcert sslsni channel_binding
		connect_timeout application_name target_session_attrs search_path timezone client_encoding keepalives
		pool_max_conns pool_min_conns pool_max_conn_lifetime pool_max_conn_idle_time default_query_exec_mode
		defaultendpointsprotocol accountname endpointsuffix blobendpoint usedevelopmentstorage
		sv ss srt sp se st spr sr`) {
		keys[key] = true
	}
	return keys
}()

var (
	word = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_+.\-]{0,40}$`)
	// keyName is what an unknown parameter may be called to be named.
	keyName = regexp.MustCompile(`^[A-Za-z_]{1,32}$`)
	// plain is text that holds no separators, quotes, escapes or spaces.
	plain = regexp.MustCompile(`^[\p{L}\p{N}_.,:/\\~\-\[\]]*$`)
	// location is hosts, each with its port, and a path.
	location = regexp.MustCompile(`^(\[[0-9A-Fa-f:.]*\]|[\p{L}\p{N}_.\-]*)(:\d*)?(,(\[[0-9A-Fa-f:.]*\]|[\p{L}\p{N}_.\-]*)(:\d*)?)*(/[\p{L}\p{N}_./~\-]*)?$`)
)

func plainWord(text string) bool { return word.MatchString(text) }

// hostsAndPath shows hosts, numeric ports and a path. What stands where a port should be may be a
// password.
func hostsAndPath(text string) string {
	if location.MatchString(text) {
		return text
	}
	return masked
}

func plainOr(text string) string {
	if plain.MatchString(text) {
		return text
	}
	return masked
}
