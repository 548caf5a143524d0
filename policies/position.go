package policies

import (
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// position returns the line and column in the file of the character at an
// offset of a scalar's value. YAML folds lines, cuts indentation and unescapes
// quotes, but keeps the order of what is not white space; so the character is
// found by walking value and file side by side and looking at nothing else.
// After an escape in double quotes that hides a character (such as \x41) the
// place is a little off.
func (s *source) position(node *yaml.Node, offset int) (line, column int) {
	cursor := newCursor(string(s.text), node.Line, node.Column)
	styled := func(style yaml.Style) bool { return node.Style&style != 0 }
	switch {
	case styled(yaml.LiteralStyle | yaml.FoldedStyle):
		cursor.nextLine() // past the indicator, which may be followed by a comment
	case styled(yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle):
		cursor.advance()
	}
	for i, r := range []rune(node.Value) {
		if unicode.IsSpace(r) {
			if i >= offset {
				break
			}
			continue
		}
		cursor.skipSpace()
		if styled(yaml.DoubleQuotedStyle) && cursor.peek() == '\\' {
			cursor.advance()
		}
		if i >= offset {
			break
		}
		cursor.advance()
		if styled(yaml.SingleQuotedStyle) && r == '\'' {
			cursor.advance() // a quote is written twice
		}
	}
	return cursor.line, cursor.column
}

// cursor walks a text and knows its line and column, both from 1.
type cursor struct {
	rest         []rune
	line, column int
}

func newCursor(text string, line, column int) *cursor {
	c := &cursor{line: line, column: column}
	for range line - 1 {
		_, text, _ = strings.Cut(text, "\n")
	}
	c.rest = []rune(text)
	c.rest = c.rest[min(column-1, len(c.rest)):]
	return c
}

func (c *cursor) peek() rune {
	if len(c.rest) == 0 {
		return 0
	}
	return c.rest[0]
}

func (c *cursor) advance() {
	if len(c.rest) == 0 {
		return
	}
	if c.rest[0] == '\n' {
		c.line, c.column = c.line+1, 0
	}
	c.rest, c.column = c.rest[1:], c.column+1
}

func (c *cursor) skipSpace() {
	for unicode.IsSpace(c.peek()) {
		c.advance()
	}
}

func (c *cursor) nextLine() {
	line := c.line
	for len(c.rest) > 0 && c.line == line {
		c.advance()
	}
}
