package query

import (
	"errors"
	"fmt"
	"time"
)

// Role is what a caller may do. Each role may do what those before it may.
type Role int

// The roles.
const (
	Open         Role = iota // nobody has to log in
	Viewer                   // reads
	PolicyAuthor             // and launches, changes and deletes policies
	Admin                    // and the rest
)

var roleNames = [...]string{"open", "viewer", "policy-author", "admin"}

func (r Role) String() string { return roleNames[r] }

// ParseRole reads the name of a role that a caller can have.
func ParseRole(name string) (Role, error) {
	for r := Viewer; r <= Admin; r++ {
		if r.String() == name {
			return r, nil
		}
	}
	return Open, fmt.Errorf("role %q is none of viewer, policy-author, admin", name)
}

// Auth says how callers prove who they are: by an API token of the store, or
// by the session cookie that the login code buys.
type Auth struct {
	// Disabled makes everybody an admin. It is for a demo that listens on the
	// loopback address alone; the server then refuses other host names.
	Disabled bool
	// Secret signs the session cookies: 32 bytes or more, the same for all
	// servers behind one name. Another secret ends every session.
	Secret []byte
	// LoginCode can be traded once for a session of an admin; empty: no one
	// logs in by code.
	LoginCode string
	// Secure marks cookies as for TLS alone also where this server itself
	// speaks plain HTTP, behind a proxy that ends TLS.
	Secure bool
}

// minLoginCode bounds from below the length of a code: 16 characters of a
// random code cannot be guessed at the rate that logging in is limited to.
const minLoginCode = 16

func (a Auth) check() error {
	switch {
	case a.Disabled && a.LoginCode != "":
		return errors.New("query options: Auth.Disabled and Auth.LoginCode exclude each other")
	case a.Disabled:
		return nil
	case len(a.Secret) < 32:
		return fmt.Errorf("query options: Auth.Secret has %d bytes and needs 32, or set Auth.Disabled", len(a.Secret))
	case a.LoginCode != "" && len(a.LoginCode) < minLoginCode:
		return fmt.Errorf("query options: Auth.LoginCode has %d characters and needs %d", len(a.LoginCode), minLoginCode)
	}
	return nil
}

// Principal is who is calling.
type Principal struct {
	Name    string
	Role    Role
	Expires time.Time // zero: never
	cookie  bool      // known by a cookie, which a browser sends unasked
}

// admit tells whether who may call r.
func admit(who Principal, r route) *Problem {
	switch {
	case who.Role >= r.role:
		return nil
	case who.Role == Open:
		return kindUnauthorized.problem("send a session cookie (POST /api/v1/login) or an API token (Authorization: Bearer qrie_…)").
			with("WWW-Authenticate", `Bearer realm="qrie"`)
	default:
		return kindForbidden.problem("%s %s needs the role %s, and you have %s", r.method, r.path, r.role, who.Role)
	}
}
