package query

import (
	"context"
	"net/http"
	"time"
)

type loginIn struct {
	Body struct {
		Code string `json:"code" minLength:"1" maxLength:"200" doc:"The code that the server printed when it started; good for one login"`
	}
}

type cookieOut struct {
	SetCookie string `header:"Set-Cookie"`
}

func (s *Server) login(ctx context.Context, in *loginIn) (*cookieOut, error) {
	now := s.now()
	if !s.auth.logins.AllowN(now, 1) {
		return nil, kindTooMany.problem("logins are limited: wait a moment").retryAfter(2 * time.Second)
	}
	if s.auth.Disabled {
		return nil, kindNotFound.problem("this server has no login: everybody on this machine is an admin")
	}
	if !s.auth.trade(in.Body.Code) {
		return nil, kindUnauthorized.problem("the login code is wrong or was used: restart the server for a new one, or use an API token")
	}
	return bakeCookie(ctx, s.auth.seal(session{
		ID: newID(s.options.Random), Role: Admin.String(), Expires: now.Add(sessionAge).Unix(),
	}), sessionAge), nil
}

// logout makes the browser forget the session. Sessions are in no store, so a
// copy of the cookie would stay good until it expires.
func (s *Server) logout(ctx context.Context, _ *struct{}) (*cookieOut, error) {
	return bakeCookie(ctx, "", -time.Second), nil
}

func bakeCookie(ctx context.Context, value string, age time.Duration) *cookieOut {
	c := http.Cookie{
		Name: sessionCookie, Value: value, Path: "/", MaxAge: int(age / time.Second),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: requestOf(ctx).secure,
	}
	return &cookieOut{SetCookie: c.String()}
}
