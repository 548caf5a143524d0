//go:build noaws

package main

import "testing"

var remoteSites map[string]func(*testing.T) site
