package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func TestPlotsAreXMLAndShowEveryFigure(t *testing.T) {
	b := &bench{sizes: []size{{10_000, 72, 370, 0}, {1_000_000, 2512, 370, 0}}}
	for _, engine := range []string{"redis", "postgres"} {
		for _, n := range []int{1, 8} {
			b.delays = append(b.delays, delay{engine, n, []time.Duration{time.Millisecond, 40 * time.Millisecond}})
		}
	}
	for picture, shows := range map[string][]string{
		b.plotSizes():  {"10 k sessions", "1 M sessions", "72 ns", "2512 ns", "4000 ns"},
		b.plotDelays(): {"PostgreSQL", "Redis", "1 node<", "8 nodes", "40 ms", "median"},
	} {
		for _, text := range shows {
			if !strings.Contains(picture, text) {
				t.Errorf("the picture doesn't contain %q:\n%s", text, picture)
			}
		}
		d := xml.NewDecoder(strings.NewReader(picture))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%v in\n%s", err, picture)
			}
		}
	}
}
