//go:build race

package javascript_test

// raced: QuickJS takes forty times as long under the race detector, which has nothing to find in it. The tests then
// take a few cases of each kind, for what is in Go; `make test` runs all of them without it.
const raced = true
