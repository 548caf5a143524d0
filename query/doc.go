// Package query is qrie's HTTP API, its summary cache and its live stream, and
// it serves the web UI.
//
// Every operation is one line of the table in routes.go and one method in the
// file of its noun, with the types it answers beside it. The OpenAPI document
// is generated from these types (openapi.json). Reads go by key, by index or
// to the maintained counters of the store; no request reads a whole table.
//
// What the API promises of every answer: no collection is null, times are RFC
// 3339 in UTC, a severity has its band beside it, and an error is a problem
// document (RFC 9457) that names the request.
package query
