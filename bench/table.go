package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// print prints the conditions, a table of ratios, and the rest of the results.
func (b *bench) print() {
	b.conditions()
	if len(b.samples) > 0 {
		b.table("requests per second, as a multiple of", "", rate)
		b.table("processor time per request, as a multiple of", "cpu/", cpu)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	for _, r := range b.results {
		if strings.HasPrefix(r.Name, "me/") || strings.HasPrefix(r.Name, "cpu/") || b.samples[r.Name] != nil {
			continue
		}
		fmt.Fprintf(w, "%s\t%.3f\t%s", r.Name, r.Value, r.Unit)
		if r.Versus != "" {
			fmt.Fprintf(w, "\t%.3f × %s", r.Ratio, r.Versus)
		}
		if r.Spread != nil {
			fmt.Fprintf(w, "\t%.3f to %.3f", r.Spread[0], r.Spread[1])
		}
		fmt.Fprintln(w)
	}
	w.Flush()
	for _, m := range b.missing {
		fmt.Println("not measured:", m)
	}
}

// table prints one line for each contender and one column for each peer.
func (b *bench) table(title, prefix string, of func(sample) float64) {
	if len(b.peers) == 0 {
		return // with --only
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', tabwriter.AlignRight)
	unit := "requests/s"
	if prefix != "" {
		unit = "µs/request"
	}
	fmt.Printf("\n%s\n", title)
	fmt.Fprintf(w, "\t%s\t", unit)
	for _, p := range peers {
		if b.samples[p] != nil {
			fmt.Fprintf(w, "%s\t", p)
		}
	}
	fmt.Fprintln(w)
	for _, c := range b.peers {
		fmt.Fprintf(w, "%s\t%.5g\t", c.name, b.median(c.name, of))
		for _, p := range peers {
			if b.samples[p] != nil {
				fmt.Fprintf(w, "%.3f\t", b.ratio(c.name, p, of))
			}
		}
		fmt.Fprintln(w)
	}
	w.Flush()
}

// conditions prints what a reader must know to judge the figures.
func (b *bench) conditions() {
	fmt.Printf("\nconditions: %s, %s/%s, %d processors%s, %s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, processors(), model(), time.Now().UTC().Format(time.DateOnly))
	where := "the server has the first processor to itself; clients and databases share the others"
	if os.Getenv(pinned) == "" {
		where = "NOT PINNED (one processor, or no taskset): server, clients and databases share all processors"
	}
	fmt.Printf("%s; load average %s\n", where, load())
	rounds := b.frontRounds + b.againstRounds
	for _, s := range b.samples {
		rounds = len(s)
	}
	fmt.Printf("%d rounds of %v for each contender in changing order; %d connections kept open; %d people signed in; medians\n",
		rounds, b.plan.burst, connections, people)
	fmt.Printf("%s; PostgreSQL with fsync, Redis with appendfsync always, SQLite with synchronous=FULL, all on this machine\n",
		strings.Join(versions(), ", "))
	fmt.Printf("the flood: %d clients in a process of their own, each of which tries to sign in %v after its last attempt\n", crowd, pause)
	fmt.Printf("front/: no TLS, answers of %d bytes, the application shares the clients' processors; nginx is one process, and the server that it asks counts with it\n", len(orders))
	fmt.Println("me/redis has its users in SQLite; django is gunicorn with one worker of four threads on SQLite")
}

func versions() (all []string) {
	for _, command := range [][]string{{"redis-server", "--version"}, {"postgres", "--version"}} {
		if out, err := exec.Command(command[0], command[1:]...).Output(); err == nil {
			fields := strings.Fields(string(out))
			all = append(all, strings.Join(fields[:min(3, len(fields))], " "))
		}
	}
	return all
}

func processors() int {
	if last, err := strconv.Atoi(os.Getenv(pinned)); err == nil {
		return last + 1
	}
	return runtime.NumCPU()
}

func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}

func model() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	_, rest, found := strings.Cut(string(text), "model name")
	if !found {
		return ""
	}
	name, _, _ := strings.Cut(strings.TrimLeft(rest, "\t :"), "\n")
	return " (" + name + ")"
}
