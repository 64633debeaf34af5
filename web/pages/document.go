package pages

import (
	"html"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// document is the file that the documents are made of. It has places such as {{.Name}}, each in the text of an element or between
// the quotes of an attribute, where an escaped value can end neither. That is all that is needed of html/template, which would have
// the linker keep every exported method in the program: it finds methods by names that are known only when it runs.
const document = "dist/index.html"

// inHead is what the server adds to the head of the build's document. The style sheets come last, so that they count.
const inHead = `  <link rel="preload" as="fetch" crossorigin href="{{.Texts}}">
    <meta name="look" content="{{.Look}}">`

// icon matches the link of the built-in icon.
var icon = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`<link rel="icon"[^>]*>`)
})

// documentShell returns the build's document with its places, of which some are for the paths of style sheets.
func documentShell(ownLogo bool, styles int) (string, error) {
	index, err := dist.ReadFile(document)
	if err != nil {
		return "", err
	}
	added := inHead
	for i := range styles {
		added += "\n    " + `<link rel="stylesheet" href="` + place(styleName(i)) + `">`
	}
	shell := strings.Replace(string(index), "</head>", added+"\n  </head>", 1)
	if ownLogo {
		shell = icon().ReplaceAllLiteralString(shell, `<link rel="icon" href="{{.Logo}}">`)
	}
	return shell, nil
}

// styleName names the place of a style sheet's path.
func styleName(i int) string { return "Style" + strconv.Itoa(i) }

func place(name string) string { return "{{." + name + "}}" }

// fill returns a document with the values in their places, escaped. A value that looks like a place stays as it is: the document is
// read once.
func fill(shell string, values map[string]string) []byte {
	var pairs []string
	for name, value := range values {
		pairs = append(pairs, place(name), html.EscapeString(value))
	}
	return []byte(strings.NewReplacer(pairs...).Replace(shell))
}
