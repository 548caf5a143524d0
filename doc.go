// Package qrie holds the words that every room of qrie shares: what a
// resource is called, what was observed of it, what is wrong with it, who
// made it wrong and when. It imports the standard library only and does no
// I/O; docs/architecture.md says how the words travel.
package qrie
