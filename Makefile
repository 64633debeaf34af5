# run    start the server on this machine        test       everything CI runs, in under 20 minutes
# check  vet, staticcheck, race, fuzz, format    test-long  what takes longer: faults planted, longer fuzzing and crashes
# web    build the pages into the Go binary      bench      benchmarks with allocations
# compare  this server and its peers, measured side by side in one run (--quick: cd bench && go run . --quick)

GO ?= go

.PHONY: run test test-long check bench compare web

run:
	$(GO) run ./cmd/cloakroom serve

test:
	bash scripts/test.sh

test-long:
	bash scripts/test.sh --long

check:
	bash scripts/check.sh

compare:
	cd bench && $(GO) run .

bench:
	$(GO) test -run '^$$' -bench . -benchmem ./...

web:
	bash scripts/web.sh
