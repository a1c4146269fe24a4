// Folds events through a definition, many a call. A definition is evaluated afresh for each event, so that no variable of
// one event's is seen by the next. Returns the functions that Go calls; texts go in and come out, for they cross fastest.
// make evaluates the definition; lines of code above foreign are not the definition's, whose first line is indented.
(function (make, foreign, indent) {
  "use strict";
  const { parse, stringify } = JSON;
  const { hasOwn, keys: namesOf, getPrototypeOf } = Object;
  const { isArray } = Array;
  const promise = getPrototypeOf((async () => {})());
  const timeSize = 27, hashSize = 64, maxKey = 1024, maxDocument = 1 << 20, maxKeys = 1000;

  const fresh = {}; // in place of a copy's definition

  let events = [], definitions = [];

  // describe is what an exception says, with the place in the source where that is known.
  function describe(error) {
    let text;
    try {
      text = typeof error === "object" && error !== null && "message" in error ? `${error.name}: ${error.message}` : `threw ${String(error)}`;
      for (const at of String(error.stack).matchAll(/<eval>:(\d+):(\d+)/g)) {
        if (+at[1] > foreign) continue; // a frame of this file or of harden.js
        text += ` (line ${at[1]}, column ${+at[1] === 1 ? at[2] - indent : at[2]})`;
        break;
      }
    } catch {
      text = text ?? "threw something that can't be described";
    }
    return text.length > 500 ? text.substring(0, 500) + "…" : text;
  }

  function definition() {
    const made = make();
    if (typeof made !== "object" || made === null) throw new TypeError("the source is not an object {key, on}");
    if (typeof made.key !== "function") throw new TypeError("key is not a function of an event");
    if (typeof made.on !== "object" || made.on === null) throw new TypeError("on is not an object of handlers by event type");
    return made;
  }

  // types checks the definition and tells the event types that it has handlers for.
  function types() {
    try {
      const { on } = definition();
      const names = namesOf(on);
      if (names.length === 0) throw new TypeError("on has no handlers");
      for (const name of names) {
        if (typeof on[name] !== "function") throw new TypeError(`on.${name} is not a function of a document and an event`);
      }
      return stringify(names);
    } catch (error) {
      return "E" + describe(error);
    }
  }

  // load makes the events of a batch from its columns, behind those of earlier loads if more.
  function load(columns, times, hashes, datas, more) {
    const c = parse(columns), data = parse(datas);
    let subject = 0, tags = 0, base64 = 0, metadata = 0, parsed = 0;
    const first = more ? events.length : 0, n = c.position.length;
    if (!more) { events = []; definitions = []; }
    for (let i = 0; i < n; i++) {
      const has = c.has[i], t = 2 * i * timeSize;
      const e = { position: c.position[i], id: c.id[i], type: c.texts[c.type[i]], source: c.texts[c.source[i]] };
      if (has & 1) e.subject = c.subject[subject++];
      if (has & 2) e.tags = c.tags[tags++];
      e.time = times.substring(t, t + timeSize);
      e.recorded = times.substring(t + timeSize, t + 2 * timeSize);
      if (has & 4) e.more = true;
      if (has & 8) e.dataContentType = c.texts[c.contentType[i]];
      if (has & 16) e.data = data[parsed++];
      if (has & 32) e.dataBase64 = c.base64[base64++];
      if (has & 64) e.metadata = c.metadata[metadata++];
      e.hash = hashes.substring(i * hashSize, (i + 1) * hashSize);
      events[first + i] = e;
      definitions[first + i] = more ? fresh : null;
    }
  }

  function checkKey(key) {
    if (typeof key !== "string") throw new TypeError(`key gave ${key === undefined ? "undefined" : typeof key === "object" ? "an object" : `the ${typeof key} ${String(key)}`}: it gives a string, an array of strings, or null`);
    if (key.length === 0 || key.length > maxKey) throw new TypeError(`key gave a string of ${key.length} characters: it has 1 to ${maxKey}`);
    if (!key.isWellFormed()) throw new TypeError("key gave a string with half a surrogate pair");
    return key;
  }

  // keys tells the documents that each loaded event changes: all keys in one list, and how many each event has.
  function keys() {
    const all = [], counts = [];
    let i = 0;
    try {
      for (; i < events.length; i++) {
        const made = definitions[i] = make(); // types has checked it, and it can't be another one now
        const key = made.key(events[i]);
        if (key === null) { counts[i] = 0; continue; }
        if (!isArray(key)) { all[all.length] = checkKey(key); counts[i] = 1; continue; }
        if (key.length > maxKeys) throw new RangeError(`key gave ${key.length} keys: the most is ${maxKeys}`);
        const mine = new Set();
        for (let k = 0; k < key.length; k++) mine.add(checkKey(key[k]));
        for (const k of mine) all[all.length] = k;
        counts[i] = mine.size;
      }
    } catch (error) {
      return "E" + describe(error);
    }
    return "K" + stringify({ keys: all, counts });
  }

  // used is an event's definition, with which key was called for it: again where the event was loaded anew, so that a handler
  // always sees what key left, in the event and in variables. A copy has one of its own, and has not been seen by key.
  function used(e) {
    if (definitions[e] === fresh) return make();
    if (definitions[e] === null) {
      definitions[e] = make();
      definitions[e].key(events[e]);
    }
    return definitions[e];
  }

  function written(value) {
    if (value === null) return null;
    if (value === undefined) throw new TypeError("the handler gave undefined: it returns the document, or null to delete it");
    if (typeof value === "object" && getPrototypeOf(value) === promise) throw new TypeError("the handler is asynchronous: it returns the document itself");
    const text = stringify(value);
    if (text === undefined || text === "null") throw new TypeError(`the handler gave ${typeof value === "number" ? String(value) : `a ${typeof value}`}, which is no JSON value`);
    if (text.length > maxDocument) throw new RangeError(`the document is larger than ${maxDocument} bytes, the most there may be`);
    return text;
  }

  // fold takes steps in order, each an event's and a document's number, and tells for each document whether it is a value (v),
  // was deleted (d) or never was (n), and the texts of the values.
  function fold(steps, documents) {
    const order = parse(steps), before = parse(documents), texts = [];
    let state = [], s = 0;
    for (let i = 0; i < before.length; i++) state[i] = before[i] === null ? "n" : "v";
    try {
      for (; s < order.length; s += 2) {
        const e = order[s], d = order[s + 1], event = events[e];
        let document;
        if (texts[d] !== undefined) document = texts[d] === null ? undefined : parse(texts[d]);
        else document = before[d] === null ? undefined : before[d];
        const { on } = used(e);
        if (!hasOwn(on, event.type)) continue;
        texts[d] = written(on[event.type](document, event));
        if (texts[d] !== null) state[d] = "v"; else if (state[d] === "v") state[d] = "d";
      }
    } catch (error) {
      return "E" + describe(error);
    }
    let out = "D" + state.join("");
    for (let i = 0; i < before.length; i++) {
      if (state[i] === "v") out += "\n" + (texts[i] ?? stringify(before[i]));
    }
    return out;
  }

  return { types, load, keys, fold };
})
