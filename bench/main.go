// Command bench measures Cloakroom beside its peers, in one run on one machine, and prints how they compare.
//
//	go run . [--quick] [--json] [--only WORDS] [--plots DIR] [--profile DIR] [--against BINARY]
//
// Each contender is a server in a process of its own. They are measured in turn, in many short rounds in changing order, so
// that other load on the machine affects all of them alike. The output has the median of the rounds, and the median of the
// ratios within each round. The server has one processor to itself; the clients and the databases share the others. The
// processor time of a request is what the server's process used, in the kernel too; other load hardly affects it.
//
// A row that can't be measured, because a program is not installed or the time of --quick is over, is named with the reason.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "serve" {
		exit(serve(os.Stdin, os.Stdout))
	}
	if len(os.Args) == 2 && os.Args[1] == "hammer" {
		exit(hammerOn(os.Stdin))
	}
	quick := flag.Bool("quick", false, "end within 50 seconds")
	asJSON := flag.Bool("json", false, "print only an array of {name, value, unit, versus, ratio}")
	only := flag.String("only", "", "measure only what contains this in its name: /api/me, sign-outs, live sessions, sign-ins, flood, start-up, gateways, mail, events, provider tokens, crowds, purge")
	plots := flag.String("plots", "", "write plots as SVG to this directory")
	profiles := flag.String("profile", "", "only write profiles of /api/me and of the bare handler to this directory")
	former := flag.String("against", "", "only compare the command of this source with the one at this path")
	flag.Parse()
	pin()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exit(run(ctx, *quick, *asJSON, *only, *plots, *profiles, *former))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// pinned names the environment variable that has the number of the last processor if this process runs on all but the first,
// which the measured server has to itself.
const pinned = "CLOAKROOM_BENCH_PINNED"

// pin replaces this process by itself on all processors but the first, if there are several and taskset is installed.
func pin() {
	path, err := exec.LookPath("taskset")
	if err != nil || runtime.NumCPU() < 2 || os.Getenv(pinned) != "" {
		return
	}
	self, err := os.Executable()
	if err != nil {
		return
	}
	os.Setenv(pinned, strconv.Itoa(runtime.NumCPU()-1))
	args := append([]string{path, "-c", fmt.Sprintf("1-%d", runtime.NumCPU()-1), self}, os.Args[1:]...)
	_ = syscall.Exec(path, args, os.Environ()) // if it fails, the conditions say that nothing is pinned
}

// plan says what a run measures, and how long.
type plan struct {
	quick  bool
	only   string        // part of the name of what is measured; "": everything
	rounds time.Duration // for all rounds of /api/me
	burst  time.Duration // of one contender in one round
	hashes int           // rounds of sign-ins
	flood  time.Duration // with the flood, and as long before without it
	fronts time.Duration // for all rounds of the gateways
}

func run(ctx context.Context, quick, asJSON bool, only, plots, profiles, former string) error {
	p := plan{quick: quick, rounds: 90 * time.Second, burst: 200 * time.Millisecond, hashes: 20, flood: 10 * time.Second, fronts: 30 * time.Second}
	if quick {
		p = plan{quick: quick, rounds: 10 * time.Second, burst: 100 * time.Millisecond, hashes: 3, flood: 1500 * time.Millisecond, fronts: 2 * time.Second}
	}
	p.only = only
	var end time.Time
	if quick && former == "" {
		end = time.Now().Add(quickEnd)
		var stop context.CancelFunc
		ctx, stop = context.WithDeadline(ctx, end)
		defer stop()
	}
	say := func(format string, args ...any) {
		if !asJSON {
			fmt.Printf(format+"\n", args...)
		}
	}
	b, err := newBench(ctx, p, say)
	if err != nil {
		return err
	}
	defer b.close()
	b.end = end
	if profiles != "" {
		return b.profile(ctx, profiles, 5*time.Second)
	}
	measure := b.measure
	if former != "" {
		measure = func(ctx context.Context) error { return b.against(ctx, former) }
	}
	if err := measure(ctx); err != nil {
		return err
	}
	if plots != "" {
		if err := b.plot(plots); err != nil {
			return err
		}
	}
	if asJSON {
		return json.NewEncoder(os.Stdout).Encode(b.results)
	}
	b.print()
	return nil
}
