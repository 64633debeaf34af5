package pages

import (
	"fmt"
	"math"
	"regexp"
	"sync"
)

// colour is an sRGB colour, each part from 0 to 255.
type colour [3]float64

func (c colour) String() string {
	return fmt.Sprintf("#%02x%02x%02x", uint8(math.Round(c[0])), uint8(math.Round(c[1])), uint8(math.Round(c[2])))
}

var hex = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)
})

// parseColour reads #rrggbb.
func parseColour(text string) (colour, bool) {
	if !hex().MatchString(text) {
		return colour{}, false
	}
	var r, g, b uint8
	if _, err := fmt.Sscanf(text, "#%02x%02x%02x", &r, &g, &b); err != nil {
		return colour{}, false
	}
	return colour{float64(r), float64(g), float64(b)}, true
}

// mix returns c with a part, from 0 to 1, of another colour in it.
func (c colour) mix(other colour, part float64) colour {
	for i := range c {
		c[i] = math.Round(c[i] + (other[i]-c[i])*part)
	}
	return c
}

// luminance is the relative luminance of WCAG 2.2, from 0 to 1.
func (c colour) luminance() float64 {
	linear := func(part float64) float64 {
		part /= 255
		if part <= 0.04045 {
			return part / 12.92
		}
		return math.Pow((part+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c[0]) + 0.7152*linear(c[1]) + 0.0722*linear(c[2])
}

// contrast is the contrast ratio of WCAG 2.2, from 1 to 21.
func contrast(a, b colour) float64 {
	la, lb := a.luminance(), b.luminance()
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

// readable is the contrast that text needs (WCAG 2.2, success criterion 1.4.3).
const readable = 4.5

// The colours of the pages behind text in the accent's colour, as in src/style/tokens.css: the light theme's darkest and the dark
// theme's lightest, then those of the paper, and the dark theme's ground.
var (
	lightGround = colour{0xf3, 0xee, 0xe6}
	lightPaper  = colour{0xff, 0xfd, 0xf9}
	darkTint    = colour{0x2a, 0x25, 0x20}
	darkPaper   = colour{0x22, 0x1e, 0x1a}
	darkGround  = colour{0x17, 0x14, 0x11}

	black = colour{}
	white = colour{255, 255, 255}
)

// accentStyle returns the style sheet for an accent, #rrggbb. The dark theme gets a lighter tint of it that can be read there. It is an
// error if the accent itself can't be read on the light theme.
func accentStyle(text string) ([]byte, error) {
	light, ok := parseColour(text)
	if !ok {
		return nil, fmt.Errorf("Accent %q is no colour: give one as #rrggbb, such as #1d5c4b", text)
	}
	if got := contrast(light, lightGround); got < readable {
		darker := light
		for part := 0.01; contrast(darker, lightGround) < readable; part += 0.01 {
			darker = light.mix(black, part)
		}
		return nil, fmt.Errorf("Accent %s is too light to read on the light pages: its contrast is %.1f, and text needs %.1f. Give a darker "+
			"one, such as %s", text, math.Floor(got*10)/10, readable, darker)
	}
	const comfortable = 6
	dark := light
	for part := 0.01; contrast(dark, darkTint) < comfortable; part += 0.01 {
		dark = light.mix(white, part)
	}
	return fmt.Appendf(nil, ":root {\n%s}\n\n@media (prefers-color-scheme: dark) {\n:root {\n%s}\n}\n",
		properties(light, light.mix(black, 0.25), softer(light, lightPaper), lightPaper),
		properties(dark, dark.mix(white, 0.35), softer(dark, darkPaper), darkGround)), nil
}

// softer returns the paper with as much of the accent in it, up to an eighth, as leaves text in the accent's colour readable on it.
func softer(accent, paper colour) colour {
	for part := 0.125; part > 0; part -= 0.005 {
		if soft := paper.mix(accent, part); contrast(accent, soft) >= readable {
			return soft
		}
	}
	return paper
}

func properties(accent, strong, soft, on colour) string {
	return fmt.Sprintf("  --accent: %s;\n  --accent-strong: %s;\n  --accent-soft: %s;\n  --on-accent: %s;\n", accent, strong, soft, on)
}
