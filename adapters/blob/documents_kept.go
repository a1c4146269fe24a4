package blob

import (
	"bytes"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"eventstore/core"
)

const (
	mostKept    = 16 << 20 // bytes of all documents that are kept
	largestKept = 16 << 10 // bytes of one
)

// kept are documents as they were last listed. A listing tells each blob's ETag, so what has not been written
// since need not be read again: listing a thousand documents anew costs one operation, and not a thousand and one.
// An ETag stands for the same bytes for ever, so nothing that is kept is ever out of date for the ETag it has.
type kept struct {
	mu        sync.Mutex
	documents map[string]core.Document // by the blob's name; guarded by mu
	size      int                      // bytes; guarded by mu
}

// get is the document of a blob, if it is kept as this listing has it.
func (k *kept) get(b listed) (core.Document, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	document, ok := k.documents[b.name]
	if !ok || !sameETag(document.Version, b.etag) {
		return core.Document{}, false
	}
	document.Value = bytes.Clone(document.Value) // the caller's
	return document, true
}

// put keeps a document in place of what was kept of its blob. Where there is no room, others go.
func (k *kept) put(name string, document core.Document) {
	document.Value = bytes.Clone(document.Value)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.drop(name)
	if sizeOf(name, document) > largestKept {
		return
	}
	if k.documents == nil {
		k.documents = map[string]core.Document{}
	}
	for other := range k.documents {
		if k.size+sizeOf(name, document) <= mostKept {
			break
		}
		k.drop(other)
	}
	k.documents[name] = document
	k.size += sizeOf(name, document)
}

func (k *kept) drop(name string) {
	if document, ok := k.documents[name]; ok {
		delete(k.documents, name)
		k.size -= sizeOf(name, document)
	}
}

func sizeOf(name string, document core.Document) int {
	return len(name) + len(document.Key) + len(document.Value) + 200 // and what holds them
}

// sameETag compares the ETag of an answer's header, which has quotes, with that of a listing, which has none.
func sameETag(header string, listing azcore.ETag) bool {
	return listing != "" && strings.Trim(header, `"`) == strings.Trim(string(listing), `"`)
}
