// Package functionshost is a stand-in for the Azure Functions host, for tests: it reads a
// staged app, starts its custom handler, and calls it over HTTP as the host does. It was
// written from the host's source and documentation, with host 4.1037 and its successors up to
// 4.1052 in mind, and has not been compared with a running one.
//
// What it does as the host does: it finds functions in immediate children of the app alone,
// checks host.json and function.json, routes by template in the order of the functions' names,
// knows listed methods only (404 for others), asks for keys (401), reads a body that has a
// length before it calls, limits how many calls run at once (429), forwards as old hosts
// ([Forwarding]) or proxies as new ones ([Proxying]), starts the handler with the
// host's environment on a free port, waits for GET / to answer, restarts it by its exit code,
// kills it with SIGKILL, kills it too when one call exceeds functionTimeout, and calls
// timers with the real envelope, on demand or on their schedules.
//
// What it does not imitate:
//   - the JSON envelope for HTTP functions: an app must set both HTTP flags, and
//     have one in and one out binding;
//   - route constraints such as {id:int}, and every type of binding but http and timer;
//   - the storage of keys, of timer leases and of timer status: keys are made at the start, a timer
//     has one listener because there is one host, and nothing is caught up after a restart;
//   - retry policies, proxies.json, CORS, App Service authentication, HTTPS, HTTP/2 and the
//     front end of Azure with its 230 s limit and its own decoding of paths;
//   - scale-out, per-function instances, drain, placeholders and specialisation;
//   - waiting, where a timer's reply would leave the invocation hanging: that is reported as
//     [ErrHangs] at once;
//   - setting the execute bit of the handler, which some plans of Azure do;
//   - .NET's exact limits of headers and its normalisation of odd URLs beyond
//     what forwarding.go and path.go say.
//
// It is stricter than the host where a mistake would otherwise go unseen: an app with any faulty
// function does not start, and unknown fields are errors.
package functionshost
