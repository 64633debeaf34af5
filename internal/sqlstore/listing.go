package sqlstore

import (
	"strconv"
	"strings"
)

// listing is the end of a query for rows with a public ID. It has conditions only for the fields that are set, so that the database picks
// the right index.
type listing struct {
	dialect Dialect
	where   []string
	args    []any
}

// condition adds a condition on a text, unless that is empty. left is the column and the operator.
func (l *listing) condition(left, text string) {
	if text != "" {
		l.where = append(l.where, left+" "+l.parameter(l.dialect.Bytes(text)))
	}
}

// parameter adds an argument, and returns its place in the query.
func (l *listing) parameter(arg any) string {
	l.args = append(l.args, arg)
	return "$" + strconv.Itoa(len(l.args))
}

// text returns the query from its conditions on; limit is 0 if there is none.
func (l *listing) text(limit int) (text string) {
	if len(l.where) > 0 {
		text = ` WHERE ` + strings.Join(l.where, ` AND `)
	}
	text += ` ORDER BY public_id`
	if limit > 0 {
		text += ` LIMIT ` + strconv.Itoa(limit)
	}
	return text
}
