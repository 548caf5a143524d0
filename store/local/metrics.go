package local

import (
	"errors"

	"github.com/qrie-sec/qrie/sqlite"
)

// kindOfError names what the store's metrics should tell apart.
func kindOfError(err error) string {
	if errors.Is(err, sqlite.ErrClosed) {
		return "closed"
	}
	return ""
}
