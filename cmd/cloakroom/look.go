package main

import "github.com/cloakroom-auth/cloakroom"

// lookFlags say how the pages look, and what the product is called.
type lookFlags struct {
	Name        string `placeholder:"NAME" standard:"Cloakroom" help:"The product's name, on pages, in mails and in authenticator apps."`
	Accent      string `placeholder:"#RRGGBB" standard:"a green" help:"The colour of buttons and links on the pages: dark enough to be read on a light page. The dark theme gets a lighter tint."`
	Logo        string `placeholder:"FILE" help:"An SVG, PNG, JPEG or WebP picture that stands beside the name."`
	Style       string `placeholder:"FILE" help:"A CSS file that is loaded after the pages' own style sheets."`
	LinkHelp    string `placeholder:"URL" help:"Where people find help: an address, or a path of this server. The foot of each page links to it."`
	LinkTerms   string `placeholder:"URL" help:"The terms of use, linked in the same place."`
	LinkPrivacy string `placeholder:"URL" help:"The privacy statement, linked in the same place."`
	SignInPath  string `placeholder:"PATH" standard:"/signin" help:"The path of your own sign-in page, in the app or an upstream. Browsers that must sign in are sent there, and it is public (docs/look.md)."`
}

func (f lookFlags) set(c *cloakroom.Config) {
	c.Name, c.Accent, c.Logo, c.Style = f.Name, f.Accent, f.Logo, f.Style
	c.LinkHelp, c.LinkTerms, c.LinkPrivacy = f.LinkHelp, f.LinkTerms, f.LinkPrivacy
	c.SignInPath = f.SignInPath
}
