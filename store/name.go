package store

import (
	"cmp"
	"fmt"
)

// MaxName bounds the names that callers give to jobs, locks, tokens and the
// like, in bytes: adapters make keys of them.
const MaxName = 900

// ValidName refuses a name that no adapter can keep.
func ValidName(what, name string) error {
	if name == "" || len(name) > MaxName {
		return fmt.Errorf("%s %.40q needs a name of 1 to %d bytes, and has %d", what, name, MaxName, len(name))
	}
	return nil
}

// ValidLock refuses the names of a lock and its owner likewise.
func ValidLock(what, name, owner string) error {
	return cmp.Or(ValidName(what, name), ValidName("owner of "+what+" "+name, owner))
}
