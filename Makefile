# run    start the server on this machine        test       everything CI runs, in under 20 minutes
# check  vet, staticcheck, race, fuzz, format    test-long  what takes longer: faults planted, longer fuzzing and crashes
# web    build the pages into the Go binary      bench      benchmarks with allocations

GO ?= go

.PHONY: run test test-long check bench web

run:
	$(GO) run ./cmd/cloakroom serve

test:
	bash scripts/test.sh

test-long:
	bash scripts/test.sh --long

check:
	bash scripts/check.sh

bench:
	$(GO) test -run '^$$' -bench . -benchmem ./...

web:
	bash scripts/web.sh
