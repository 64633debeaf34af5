# run      starts the server on this machine
# test     runs everything that CI runs
# test-long  runs also what takes longer: whole matrices, long runs, planted faults, longer fuzzing (CONTRIBUTING.md lists it)
# check    checks the format, vet, staticcheck and the race detector, and fuzzes each target for a short time
# web      builds the npm package and the pages, which the Go binary embeds
# docs     builds the site of the documentation, into docs/site/dist/
# release  builds what a release consists of, into dist/ (release/main.go says what)
# bench    runs the Go benchmarks, with allocations
# compare  measures this server and its peers side by side (in 50 seconds: cd bench && go run . --quick)

GO ?= go

.PHONY: run test test-long check bench compare web docs release

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

docs:
	bash scripts/docs.sh

release:
	cd release && $(GO) run .
