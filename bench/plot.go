package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// plot writes the results as SVG.
func (b *bench) plot(dir string) error {
	for name, picture := range map[string]string{"check-cost.svg": b.plotSizes(), "sign-out.svg": b.plotDelays()} {
		if picture == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(picture), 0o644); err != nil {
			return err
		}
	}
	return nil
}

const width, height, left, bottom, top = 640, 320, 70, 270, 60

// style has colours for light and for dark systems.
const style = `<style>
.paper { fill: #fff } text { fill: #1f2328 } .dim { fill: #59636e } .grid { stroke: #d1d9e0 }
.one { fill: #0969da } .two { fill: #80b8f5 } .line { fill: none; stroke: #0969da; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
.paper { fill: #0d1117 } text { fill: #f0f6fc } .dim { fill: #9198a1 } .grid { stroke: #3d444d }
.one { fill: #4493f8 } .two { fill: #2a5a98 } .line { stroke: #4493f8 }
}
</style>
`

// frame returns a picture with a title and a grid from 0 to most.
func frame(title, unit string, most float64, content string) string {
	var s strings.Builder
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="12">`+"\n", width, height)
	s.WriteString(style)
	fmt.Fprintf(&s, "<rect class=\"paper\" width=\"%d\" height=\"%d\" rx=\"8\"/><text x=\"%d\" y=\"28\" font-size=\"15\" font-weight=\"600\">%s</text>\n", width, height, left-40, title)
	for i := range 5 {
		v := most * float64(i) / 4
		fmt.Fprintf(&s, "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" class=\"grid\"/><text class=\"dim\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s %s</text>\n",
			left, width-20, yOf(v, most), yOf(v, most), left-8, yOf(v, most)+4, strconv.FormatFloat(v, 'f', -1, 64), unit)
	}
	return s.String() + content + "</svg>\n"
}

func yOf(v, most float64) float64 { return bottom - v/most*(bottom-top) }

// rounded returns a round number that is not below v, for the end of a scale.
func rounded(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 4, 5, 8, 10} {
		if m*power >= v {
			return m * power
		}
	}
	return v
}

// plotSizes shows the cost of a check by the number of sessions in the cache.
func (b *bench) plotSizes() string {
	if len(b.sizes) < 2 {
		return ""
	}
	most := 0.
	for _, s := range b.sizes {
		most = max(most, s.nanoseconds)
	}
	most = rounded(most)
	var points, marks strings.Builder
	for i, s := range b.sizes {
		x := left + 60 + float64(i)*float64(width-left-140)/float64(len(b.sizes)-1)
		y := yOf(s.nanoseconds, most)
		fmt.Fprintf(&points, "%.1f,%.1f ", x, y)
		fmt.Fprintf(&marks, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" class=\"one\"/><text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%.0f ns</text>", x, y, x, y-10, s.nanoseconds)
		fmt.Fprintf(&marks, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" class=\"dim\">%s sessions</text>\n", x, bottom+22, short(s.sessions))
	}
	line := fmt.Sprintf("<polyline points=\"%s\" class=\"line\"/>\n", points.String())
	return frame("A check of a session from memory, one at random", "ns", most, line+marks.String())
}

func short(n int) string {
	switch {
	case n >= 1_000_000:
		return fmt.Sprintf("%d M", n/1_000_000)
	case n >= 1000:
		return fmt.Sprintf("%d k", n/1000)
	}
	return fmt.Sprint(n)
}

var engines = map[string]string{"postgres": "PostgreSQL", "redis": "Redis"}

func counted(nodes int) string {
	if nodes == 1 {
		return "1 node"
	}
	return fmt.Sprintf("%d nodes", nodes)
}

// plotDelays shows sign-outs by engine and number of nodes.
func (b *bench) plotDelays() string {
	if len(b.delays) == 0 {
		return ""
	}
	most := 0.
	for _, d := range b.delays {
		most = max(most, milliseconds(quantile(d.took, .99)))
	}
	most = rounded(most)
	step := float64(width-left-40) / float64(len(b.delays))
	var bars strings.Builder
	sorted := slices.SortedStableFunc(slices.Values(b.delays), func(a, c delay) int { return strings.Compare(a.engine, c.engine) })
	for i, d := range sorted {
		x := left + 10 + float64(i)*step
		for k, q := range []float64{.5, .99} {
			v := milliseconds(quantile(d.took, q))
			class, at := []string{"one", "two"}[k], x+float64(k)*step*.4
			fmt.Fprintf(&bars, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=\"%s\" rx=\"2\"/>", at, yOf(v, most), step*.36, bottom-yOf(v, most), class)
			fmt.Fprintf(&bars, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" font-size=\"11\">%.2g</text>\n", at+step*.18, yOf(v, most)-4, v)
		}
		fmt.Fprintf(&bars, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" class=\"dim\">%s</text>", x+step*.38, bottom+20, engines[d.engine])
		fmt.Fprintf(&bars, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" class=\"dim\">%s</text>\n", x+step*.38, bottom+36, counted(d.nodes))
	}
	for k, part := range []string{"median", "99 of 100"} {
		x := width - 170 + k*70
		fmt.Fprintf(&bars, "<rect x=\"%d\" y=\"%d\" width=\"11\" height=\"11\" rx=\"2\" class=\"%s\"/><text x=\"%d\" y=\"%d\" class=\"dim\">%s</text>\n",
			x, 18, []string{"one", "two"}[k], x+16, 28, part)
	}
	return frame("A sign-out, by store and number of nodes", "ms", most, bars.String())
}
