package javascript

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"modernc.org/quickjs"
)

//go:embed harden.js
var hardenSource string

//go:embed driver.js
var driverSource string

const (
	// opening stands before the source, on its first line, so that its lines keep their numbers.
	opening = `(function(){"use strict";return `
	// foreignLine is above every line of a source: our own code begins there.
	foreignLine = MaxSource + 2
	// gcThreshold is how much may be allocated before cycles are looked for.
	gcThreshold = 8 << 20
)

// A sandbox is one realm of QuickJS with a definition in it. It is used by one goroutine at a time. Whoever sees it
// broken throws it away.
type sandbox struct {
	engine                          *Engine
	vm                              *quickjs.VM
	typesFn, loadFn, keysFn, foldFn quickjs.Value
	values                          []quickjs.Value // to be freed
	broken                          bool
	spent                           time.Duration // of a processor, in calls
}

// ours is our own code, compiled once for all sandboxes.
var ours = sync.OnceValues(func() (code [2][]byte, err error) {
	vm, err := quickjs.NewVM()
	if err != nil {
		return code, err
	}
	defer func() { _ = vm.Close() }() // nothing is lost with it
	for i, source := range []string{hardenSource, driverSource} {
		if code[i], err = vm.Compile(strings.Repeat("\n", foreignLine)+source, quickjs.EvalGlobal); err != nil {
			return code, fmt.Errorf("compiling the sandbox: %w", err)
		}
	}
	return code, nil
})

func (e *Engine) newSandbox(ctx context.Context, source string) (*sandbox, error) {
	code, err := ours()
	if err != nil {
		return nil, err
	}
	vm, err := quickjs.NewVM()
	if err != nil {
		return nil, fmt.Errorf("making a sandbox: %w", err)
	}
	box := &sandbox{engine: e, vm: vm}
	if err := box.prepare(ctx, code, source); err != nil {
		box.close()
		return nil, err
	}
	return box, nil
}

func (b *sandbox) prepare(ctx context.Context, code [2][]byte, source string) error {
	b.vm.SetMemoryLimit(MaxMemory)
	b.vm.SetGCThreshold(gcThreshold)
	if _, err := b.vm.EvalBytecode(code[0]); err != nil {
		return fmt.Errorf("hardening the sandbox: %w", err)
	}
	driver, err := b.value(b.vm.EvalBytecodeValue(code[1]))
	if err != nil {
		return fmt.Errorf("loading the sandbox's driver: %w", err)
	}
	// Our own code has all the time it needs. What comes now is watched; this is for where that can't look.
	if err := b.vm.SetEvalTimeout(2 * maxWait); err != nil {
		return err
	}
	make, err := b.evaluate(ctx, source)
	if err != nil {
		return err
	}
	functions, err := b.value(driver.CallValue(quickjs.UndefinedValue, make.Dup(), foreignLine, len(opening)+1))
	if err != nil {
		return fmt.Errorf("starting the sandbox's driver: %w", err)
	}
	for name, field := range map[string]*quickjs.Value{"types": &b.typesFn, "load": &b.loadFn, "keys": &b.keysFn, "fold": &b.foldFn} {
		atom, err := b.vm.NewAtom(name)
		if err != nil {
			return err
		}
		if *field, err = b.value(functions.GetPropertyValue(atom)); err != nil {
			return err
		}
	}
	return nil
}

// value remembers a value, to free it when the sandbox is closed.
func (b *sandbox) value(v quickjs.Value, err error) (quickjs.Value, error) {
	if err == nil {
		b.values = append(b.values, v)
	}
	return v, err
}

// evaluate makes the function that makes the definition. The source must be an expression between brackets of both kinds:
// else it could close ours and go on behind them.
func (b *sandbox) evaluate(ctx context.Context, source string) (quickjs.Value, error) {
	done, err := b.limited(ctx)
	if err != nil {
		return quickjs.Value{}, err
	}
	defer done()
	source = strings.TrimRight(source, "; \t\r\n")
	make, err := b.value(b.vm.EvalValue(opening+"("+source+"\n)})", quickjs.EvalGlobal))
	if err == nil {
		_, err = b.vm.Compile(opening+"["+source+"\n]})", quickjs.EvalGlobal)
	}
	if err != nil {
		return quickjs.Value{}, syntaxError(ctx, err)
	}
	return make, nil
}

// syntaxError places an error in the source.
func syntaxError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var thrown *quickjs.Error
	if !errors.As(err, &thrown) || thrown.LineNumber == 0 {
		return &SourceError{Reason: explain(err.Error()).Error()}
	}
	place := &SourceError{Line: thrown.LineNumber, Column: thrown.ColumnNumber, Reason: thrown.Error()}
	if place.Line == 1 {
		place.Column = max(1, place.Column-len(opening)-1)
	}
	return place
}

// call calls one of the driver's functions. An error leaves the sandbox broken.
func (b *sandbox) call(ctx context.Context, function quickjs.Value, args ...any) (string, error) {
	done, err := b.limited(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	b.broken = true
	result, err := function.Call(quickjs.UndefinedValue, args...)
	if err != nil {
		return "", explain(err.Error())
	}
	text, _ := result.(string)
	if message, failed := strings.CutPrefix(text, "E"); failed {
		return "", explain(message)
	}
	b.drain(ctx)
	return text, nil
}

// limited waits for a slot, and holds a call to the limit on time and to ctx until done is called.
func (b *sandbox) limited(ctx context.Context) (done func(), err error) {
	if err := b.engine.enter(ctx); err != nil {
		return nil, err
	}
	runtime.LockOSThread()
	w := startWatch(b.vm.Interrupt)
	stop := context.AfterFunc(ctx, b.vm.Interrupt)
	return func() {
		if !stop() {
			b.broken = true // the interruption may be late, and meet the next call
		}
		w.stop()
		b.spent += w.used()
		runtime.UnlockOSThread()
		b.engine.leave()
	}, nil
}

// took is the time of a processor that calls have taken since it was asked last.
func (b *sandbox) took() time.Duration {
	took := b.spent
	b.spent = 0
	return took
}

// drain runs what async functions left to be run. Nothing depends on it any more; a sandbox in which that goes
// wrong stays broken.
func (b *sandbox) drain(ctx context.Context) {
	_, err := b.vm.ExecutePendingJobs()
	b.broken = err != nil || ctx.Err() != nil
}

// limitError says which limit was broken.
type limitError struct{ message string }

func (e *limitError) Error() string { return e.message }

// explain says of a message which limit was broken, if that is what it tells.
func explain(message string) error {
	for sign, limit := range map[string]string{
		"InternalError: interrupted":    fmt.Sprintf("ran longer than %v, the most for one event", MaxTime),
		"InternalError: out of memory":  fmt.Sprintf("used more than %d MiB of memory, the most there is", MaxMemory>>20),
		"InternalError: stack overflow": "recursed deeper than the stack allows",
	} {
		if strings.Contains(message, sign) {
			return &limitError{limit + " (" + message + ")"}
		}
	}
	return errors.New(message)
}

func (b *sandbox) types(ctx context.Context) ([]string, error) {
	text, err := b.call(ctx, b.typesFn)
	if err != nil {
		return nil, err
	}
	var names []string
	return names, json.Unmarshal([]byte(text), &names)
}

func (b *sandbox) close() {
	for _, v := range b.values {
		v.Free()
	}
	b.values = nil
	_ = b.vm.Close()
}
