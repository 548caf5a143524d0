// Package simulation proves the worker: one seed makes an organisation, workers
// that live and die, people who launch and change policies, and faults of the
// stream, the store and AWS. All of it runs in virtual time; afterwards what is
// stored must be what the policies say of the world as it is.
//
// The oracle shares the policy programs and the decoding of documents with the
// worker, and nothing else.
package simulation
