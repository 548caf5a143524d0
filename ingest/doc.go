// Package ingest is step 1: it turns the bytes of a record into marks, and
// does no I/O of its own.
//
// CloudTrail reaches people in several shapes (see Split). Each record in them
// is judged by Decoder.Decode, which either says which resources may have
// changed, by the event maps of package resources, or why the record is of no
// consequence. Everything is written by strangers: whatever is not what
// CloudTrail writes is an error that names the member, and never a panic.
package ingest
