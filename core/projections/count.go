package projections

import (
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"slices"
	"strings"
	"time"

	"eventstore/core"
)

// Count is how many documents a version has, and a digest of all their keys and values, at a place in the topics. Two versions that
// hold the same have the same digest.
type Count struct {
	Documents int64     `json:"documents"`
	Digest    string    `json:"digest"`
	At        Positions `json:"at"`
}

// errMoving: the documents were changed during a walk, so that it counts nothing that ever was.
var errMoving = errors.New("the documents are ahead of the checkpoint")

// walk goes through all documents of a version in the order of their keys. It can stop and go on in another process.
type walk struct {
	After     string   `json:"after,omitempty"`
	State     []byte   `json:"state,omitempty"` // of the digest
	Documents int64    `json:"documents"`
	Sample    []string `json:"sample,omitempty"` // the keys with the smallest hashes
	Done      bool     `json:"done,omitempty"`

	digest hash.Hash
}

// sampled is how many documents are folded afresh to verify a rebuild.
const sampled = 8

// run walks on until the end or until the deadline.
func (w *walk) run(ctx context.Context, documents core.Documents, collection string, topics []string, at Checkpoint, deadline time.Time) error {
	w.digest = sha256.New()
	if len(w.State) > 0 {
		if err := w.digest.(encoding.BinaryUnmarshaler).UnmarshalBinary(w.State); err != nil {
			return err
		}
	}
	for stored, err := range documents.List(ctx, collection, core.ListQuery{After: w.After}) {
		if err != nil {
			return err
		}
		if err := w.add(stored, topics, at); err != nil {
			return err
		}
		if w.After = stored.Key; !time.Now().Before(deadline) {
			return w.save()
		}
	}
	w.Done = true
	return w.save()
}

func (w *walk) save() (err error) {
	w.State, err = w.digest.(encoding.BinaryMarshaler).MarshalBinary()
	return err
}

func (w *walk) add(stored core.Document, topics []string, at Checkpoint) error {
	positions, text, err := decodeStored(topics, stored.Value)
	if err != nil {
		return err
	}
	for i, topic := range topics {
		if positions[i] > at[topic].Position {
			return errMoving
		}
	}
	if text == "" {
		return nil
	}
	w.Documents++
	for _, part := range []string{stored.Key, text} {
		w.digest.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		w.digest.Write([]byte(part))
	}
	w.sample(stored.Key)
	return nil
}

func (w *walk) sample(key string) {
	if len(w.Sample) == sampled && compareHashes(key, w.Sample[sampled-1]) > 0 {
		return
	}
	i, _ := slices.BinarySearchFunc(w.Sample, key, compareHashes)
	w.Sample = slices.Insert(w.Sample, i, key)
	w.Sample = w.Sample[:min(sampled, len(w.Sample))]
}

func compareHashes(a, b string) int {
	left, right := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return strings.Compare(string(left[:]), string(right[:]))
}

// count is what a walk that is done has counted.
func (w *walk) count(at Positions) *Count {
	return &Count{w.Documents, hex.EncodeToString(w.digest.Sum(nil)), at}
}
