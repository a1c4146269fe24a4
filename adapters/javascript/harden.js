// Makes a realm in which a definition can do nothing but compute: no clock, no randomness, no time zone,
// no code from texts, nothing asynchronous, and nothing that one event could leave behind for the next,
// since all that a definition can reach but its own values is frozen.
(function () {
  "use strict";
  const { defineProperty, getOwnPropertyDescriptor, getPrototypeOf, freeze } = Object;
  const { ownKeys, apply, construct } = Reflect;

  const refuse = (what, instead) => function () { throw new TypeError(what + " is not available in a projection: " + instead); };
  const hide = (object, name, value) => defineProperty(object, name, { value, writable: true, enumerable: false, configurable: true });

  // The functions that make code or run later, behind every syntax that leads to them.
  const noCode = refuse("making code from a text", "write it in the source");
  const prototypes = [function () {}, function* () {}, async function () {}, async function* () {}].map(getPrototypeOf);
  const seeds = [];
  for (const prototype of prototypes) {
    hide(prototype, "constructor", noCode);
    seeds.push(prototype);
  }
  // Prototypes that no global name leads to.
  seeds.push([].values(), new Map().values(), new Set().values(), "".matchAll(/a/g), ""[Symbol.iterator](),
    [].values().map((x) => x), Iterator.from({ next() {} }), (function* () {})(), (async function* () {})(), /a/[Symbol.matchAll](""));

  // Dates: what is the same everywhere and always.
  const RealDate = Date, { UTC, parse } = Date, datePrototype = Date.prototype;
  const zoned = /^[+-]?\d{4,6}(-\d\d(-\d\d)?)?$|(Z|[+-]\d\d:?\d\d|GMT|UTC)$/;
  const checkZone = (text) => {
    if (!zoned.test(text)) throw new TypeError("the date " + JSON.stringify(text) + " has no time zone: it ends with Z or an offset such as +01:00");
    return text;
  };
  const noClock = refuse("the clock", "use the event's time or recorded");
  function SafeDate(...parts) {
    if (new.target === undefined || parts.length === 0) noClock();
    if (parts.length > 1) throw new TypeError("new Date(year, month, …) depends on the machine's time zone: use new Date(Date.UTC(year, month, …))");
    if (typeof parts[0] === "string") checkZone(parts[0]);
    return construct(RealDate, parts, new.target);
  }
  SafeDate.prototype = datePrototype;
  hide(SafeDate, "now", noClock);
  hide(SafeDate, "UTC", UTC);
  hide(SafeDate, "parse", (text) => parse(checkZone(String(text))));
  hide(SafeDate, "name", "Date");
  hide(datePrototype, "constructor", SafeDate);
  for (const name of ownKeys(datePrototype)) {
    if (typeof name === "string" && /^(get|set)(?!UTC|Time$)|^to(Locale.*|Date|Time)?String$|^getTimezoneOffset$/.test(name)) {
      hide(datePrototype, name, refuse("Date's " + name, "it depends on the machine's time zone; use toISOString or the UTC methods"));
    }
  }
  globalThis.Date = SafeDate;
  hide(Math, "random", refuse("Math.random", "a projection must give the same documents each time"));

  const kept = new Set(["Error", "EvalError", "RangeError", "ReferenceError", "SyntaxError", "TypeError", "URIError", "InternalError",
    "AggregateError", "Array", "Object", "Iterator", "parseInt", "parseFloat", "isNaN", "isFinite", "decodeURI", "decodeURIComponent",
    "encodeURI", "encodeURIComponent", "escape", "unescape", "Infinity", "NaN", "undefined", "Number", "Boolean", "String", "Math",
    "Reflect", "Symbol", "globalThis", "BigInt", "Date", "RegExp", "JSON", "Proxy", "Map", "Set", "WeakMap", "WeakSet", "ArrayBuffer",
    "Uint8ClampedArray", "Int8Array", "Uint8Array", "Int16Array", "Uint16Array", "Int32Array", "Uint32Array", "BigInt64Array",
    "BigUint64Array", "Float16Array", "Float32Array", "Float64Array", "DataView", Symbol.toStringTag]);
  for (const name of ownKeys(globalThis)) {
    if (!kept.has(name)) delete globalThis[name];
  }

  // A property that is inherited frozen can't be assigned to on an object of one's own ({}.constructor = 1, error.name = "x");
  // as an accessor that defines it there, it can.
  const assignable = (prototype) => {
    for (const name of ownKeys(prototype)) {
      const property = getOwnPropertyDescriptor(prototype, name);
      if (!("value" in property) || !property.configurable) continue;
      const { value } = property;
      defineProperty(prototype, name, {
        get() { return value; },
        set(own) {
          if (this === prototype) throw new TypeError("the built-in objects can't be changed");
          defineProperty(this, name, { value: own, writable: true, enumerable: true, configurable: true });
        },
        enumerable: property.enumerable, configurable: false,
      });
    }
  };
  for (const type of [Object, Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, InternalError, AggregateError]) {
    assignable(type.prototype);
  }

  // Freeze all that can be reached.
  const queue = [globalThis, ...seeds], seen = new Set();
  const visit = (value) => {
    if ((typeof value === "object" && value !== null) || typeof value === "function") queue.push(value);
  };
  while (queue.length > 0) {
    const object = queue.pop();
    if (seen.has(object)) continue;
    seen.add(object);
    freeze(object); // throws where it can't
    visit(getPrototypeOf(object));
    for (const name of ownKeys(object)) {
      const property = getOwnPropertyDescriptor(object, name);
      visit(property.value); visit(property.get); visit(property.set);
    }
  }
})()
