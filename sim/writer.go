package sim

import (
	"strconv"
	"time"
)

// writer appends JSON to a byte slice. Documents and events are written by
// hand because a world is described tens of thousands of times a second. An
// empty name writes an element of an array.
type writer struct{ b []byte }

func (w *writer) name(name string) {
	if n := len(w.b); n > 0 {
		switch w.b[n-1] {
		case '{', '[', ':':
		default:
			w.b = append(w.b, ',')
		}
	}
	if name != "" {
		w.b = append(w.b, '"')
		w.b = append(w.b, name...)
		w.b = append(w.b, '"', ':')
	}
}

func (w *writer) object(name string) {
	w.name(name)
	w.b = append(w.b, '{')
}

func (w *writer) array(name string) {
	w.name(name)
	w.b = append(w.b, '[')
}

func (w *writer) end()      { w.b = append(w.b, '}') }
func (w *writer) endArray() { w.b = append(w.b, ']') }

func (w *writer) text(name, value string) {
	w.name(name)
	w.b = appendQuoted(w.b, value)
}

// texts writes name and value pairs.
func (w *writer) texts(pairs ...string) {
	for i := 0; i+1 < len(pairs); i += 2 {
		w.text(pairs[i], pairs[i+1])
	}
}

func (w *writer) int(name string, value int64) {
	w.name(name)
	w.b = strconv.AppendInt(w.b, value, 10)
}

func (w *writer) bool(name string, value bool) {
	w.name(name)
	w.b = strconv.AppendBool(w.b, value)
}

// time writes RFC 3339 in UTC, to the second: AWS's control planes answer so.
func (w *writer) time(name string, value time.Time) {
	w.name(name)
	w.b = append(w.b, '"')
	w.b = value.UTC().AppendFormat(w.b, "2006-01-02T15:04:05Z")
	w.b = append(w.b, '"')
}

// raw writes a value that is JSON already.
func (w *writer) raw(name, value string) {
	w.name(name)
	w.b = append(w.b, value...)
}

const hexDigits = "0123456789abcdef"

// appendQuoted appends s as a JSON string. Text of the simulation is UTF-8.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		if c < ' ' {
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		} else {
			b = append(b, '\\', c)
		}
		from = i + 1
	}
	b = append(b, s[from:]...)
	return append(b, '"')
}
