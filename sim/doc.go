// Package sim is a simulated AWS organisation: accounts, resources of the
// eight types that qrie knows, people and programs that change them, and the
// CloudTrail events that those changes cause. One seed decides everything, so
// a run can be repeated. It stands in for AWS behind the describe seam of the
// processor and drives the demo, the end-to-end tests and the benchmarks.
//
// What is simulated is the outside: documents are AWS's answers member by
// member, events are CloudTrail records field by field, and faults are the
// ones of the real delivery: lag, duplicates, reordering, loss, stale reads,
// throttles and denied permissions. Expect is the oracle: the findings that
// the world must have, told from the model itself and not from any policy.
package sim
