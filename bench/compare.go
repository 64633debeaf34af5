package main

import (
	"slices"
	"strings"
)

// add records a figure.
func (b *bench) add(name string, value float64, unit, versus string, ratio float64) {
	b.results = append(b.results, result{Name: name, Value: value, Unit: unit, Versus: versus, Ratio: ratio})
}

// ratio is the median of ratios.
func (b *bench) ratio(a, c string, of func(sample) float64) float64 {
	return median(b.ratios(a, c, of))
}

// ratios are, for each round, one contender's value divided by another's in the same round.
func (b *bench) ratios(a, c string, of func(sample) float64) (all []float64) {
	for i, s := range b.samples[a] {
		if other := b.samples[c]; i < len(other) && of(other[i]) > 0 {
			all = append(all, of(s)/of(other[i]))
		}
	}
	return all
}

// spread is the range that has the middle half of the numbers; nil of none.
func spread(all []float64) []float64 {
	if len(all) == 0 {
		return nil
	}
	all = slices.Sorted(slices.Values(all))
	return []float64{all[len(all)/4], all[len(all)-1-len(all)/4]}
}

func rate(s sample) float64 { return s.rate }
func cpu(s sample) float64  { return s.cpu }

func (b *bench) median(name string, of func(sample) float64) float64 {
	var all []float64
	for _, s := range b.samples[name] {
		all = append(all, of(s))
	}
	return median(all)
}

// compare turns the rounds into results: requests per second, and the server's processor time per request.
func (b *bench) compare() {
	for _, c := range b.peers {
		ours := strings.HasPrefix(c.name, "me/")
		for _, peer := range peers {
			if b.samples[peer] == nil || !ours && peer != "bare" {
				continue
			}
			b.add(c.name, b.median(c.name, rate), "requests/s", peer, b.ratio(c.name, peer, rate))
		}
		if b.median(c.name, cpu) == 0 {
			continue
		}
		for _, peer := range peers {
			if b.samples[peer] != nil && (ours || peer == "bare") {
				b.add("cpu/"+c.name, b.median(c.name, cpu), "µs/request", peer, b.ratio(c.name, peer, cpu))
			}
		}
		if ours && b.samples["hs256"] != nil {
			b.aboveBare(c.name)
		}
	}
}

// aboveBare compares the cost of a check, which is the processor time above that of the handler that checks nothing.
func (b *bench) aboveBare(name string) {
	bare := b.median("bare", cpu)
	above, hs256 := b.median(name, cpu)-bare, b.median("hs256", cpu)-bare
	if hs256 > 0 {
		b.add("cpu-above-bare/"+name, above, "µs/request", "hs256", above/hs256)
	}
}
