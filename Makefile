# SPDX-License-Identifier: Apache-2.0
# Warder. `make help` lists the targets.
#
# The layering, as lists: each line may use the ones above it, never one below.
LIB         = err failpoint opt json names profile policy bpf filter decide notify wire oci exempt ask native event \
              inject inject_$(ARCH)
LIB        += diagram clauses yaml forms seen strace auditlog lint loaded
LIB        += cover
HOOK       := main install
RUNTIME    := args bundle behind runtime
SESSION    := lane pace target fold arena log isolate policies stream courier sink sink_file sink_syslog \
	      sink_journald sink_webhook journal session state
SUPERVISOR := $(SESSION) config doors api http estate store listener worker scribe replace table crew keeper main
SUPERVISOR += metrics control verbs uring
CLI        := main where tally run policy policy_show policy_replay doctor probe inside \
              client plain grid pick ps show event_line events screen top mode override reload completion
CLI        += profiles profile join diff covers convert from lint loaded

VERSION := 0.1.0
BUILD   ?= build
CC      := $(if $(filter default,$(origin CC)),gcc,$(CC))
ARCH    ?= $(shell $(CC) -dumpmachine | cut -d- -f1)
prefix  ?= /usr/local

PKGS := libseccomp json-c libcap
# The daemon's own; libsystemd (events to journald) only where it is.
DAEMON_PKGS := libcurl $(shell pkg-config --exists libsystemd && echo libsystemd)
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) $(DAEMON_PKGS) 2>/dev/null) \
	$(if $(filter libsystemd,$(DAEMON_PKGS)),-DHAVE_SYSTEMD)
PKG_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null)
# What warderd alone needs (and the tests of its parts).
DAEMON_LIBS := $(shell pkg-config --libs libmicrohttpd $(DAEMON_PKGS) 2>/dev/null)
# What warder needs: the API, and events of `warder run`.
CLI_LIBS    := $(shell pkg-config --libs $(DAEMON_PKGS) yaml-0.1 2>/dev/null)

# Warning and hardening flags are probed: one that this compiler does not know is left out.
WANTED := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wvla -Wundef \
	-Wpointer-arith -Wcast-qual -Wwrite-strings -Wswitch-enum -Wimplicit-fallthrough -Wconversion \
	-fstack-protector-strong -fstack-clash-protection -fcf-protection -ftrivial-auto-var-init=zero
probe = $(shell $(CC) -Werror $(1) -c -x c -o /dev/null /dev/null 2>/dev/null && echo $(1))
FLAGS := $(foreach f,$(WANTED),$(call probe,$(f)))
CFLAGS ?= -O2 -g
FORTIFY ?= -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
ALL_CFLAGS = -std=gnu17 -D_GNU_SOURCE -DWARDER_VERSION='"$(VERSION)"' -Iinclude $(PKG_CFLAGS) \
	$(FLAGS) $(FORTIFY) -fvisibility=hidden -fPIE -pthread $(if $(WERROR),-Werror) $(CFLAGS) $(EXTRA)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now,-z,noexecstack -pthread $(LDFLAGS) $(EXTRA)

objs = $(patsubst %,$(BUILD)/obj/$(1)/%.o,$(2))
LIB_A     := $(BUILD)/libwarder.a
DAEMON_A  := $(BUILD)/libdaemon.a
RUNTIME_A := $(BUILD)/libruntime.a
PROGRAMS  := $(BUILD)/warder-hook $(BUILD)/warder-runtime $(BUILD)/warderd $(BUILD)/warder
SOURCES    = $(wildcard lib/*.c hook/*.c supervisor/*.c cli/*.c)
FORMATTED  = $(wildcard include/warder/*.h */*.h */*.c tests/*/*.c tests/*/*.h)
SCRIPTS    = .ci/run $(wildcard tests/*.sh tests/*/*.sh tests/*/*.bash)

tests_in = $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/$(1)/*.c))
UNIT   := $(call tests_in,unit)
FILTER := $(call tests_in,filter)
LIVE   := $(call tests_in,live)
FUZZ   := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*.c))
E2E    := $(sort $(wildcard tests/e2e/*.bats))
CORPUS := $(FUZZ:%=$(BUILD)/tests/corpus/%)

RUN := WARDER_BUILD=$(abspath $(BUILD)) tests/run.sh

all: $(PROGRAMS) ## build everything

$(BUILD)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(LIB_A): $(call objs,lib,$(LIB))
$(DAEMON_A): $(call objs,supervisor,$(filter-out main,$(SUPERVISOR)))
$(RUNTIME_A): $(call objs,hook,$(filter-out runtime,$(RUNTIME)))
$(LIB_A) $(DAEMON_A) $(RUNTIME_A):
	rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/warder-hook: $(call objs,hook,$(HOOK)) $(LIB_A)
$(BUILD)/warder-runtime: $(call objs,hook,runtime) $(RUNTIME_A) $(LIB_A)
$(BUILD)/warderd: $(call objs,supervisor,main) $(DAEMON_A) $(LIB_A)
$(BUILD)/warder: $(call objs,cli,$(CLI)) $(DAEMON_A) $(LIB_A)
$(BUILD)/warderd: private PKG_LIBS += $(DAEMON_LIBS)
$(BUILD)/warder: private PKG_LIBS += $(CLI_LIBS)
$(PROGRAMS):
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

# A test is one file with a main() of its own.
$(BUILD)/tests/%: tests/%.c $(RUNTIME_A) $(DAEMON_A) $(LIB_A) Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -Isupervisor -Ihook -MMD -MP $(ALL_LDFLAGS) -o $@ $< \
		$(RUNTIME_A) $(DAEMON_A) $(LIB_A) -lcmocka $(PKG_LIBS) $(DAEMON_LIBS) $(CLI_LIBS)

$(BUILD)/tests/unit/pick: private PKG_LIBS += $(CLI_LIBS)
$(BUILD)/tests/unit/journal: LDFLAGS += -Wl,--wrap=event_format

# A fuzz target, fed from files: the corpus is replayed in every `make check`.
$(BUILD)/tests/corpus/%: tests/fuzz/%.c tests/replay.c $(RUNTIME_A) $(DAEMON_A) $(LIB_A) Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -Isupervisor -Ihook $(ALL_LDFLAGS) -o $@ $< tests/replay.c \
		$(RUNTIME_A) $(DAEMON_A) $(LIB_A) $(PKG_LIBS) $(DAEMON_LIBS) $(CLI_LIBS)

deps: ## install what building, testing and linting need (Debian 12, as root)
	tests/deps.sh build test lint bench

build-tests: all $(UNIT) $(FILTER) $(LIVE) $(CORPUS) $(BUILD)/tests/bench/caller fail

fail: ## the hook and daemon with failpoints, for the kill tests
	$(MAKE) BUILD=$(BUILD)/fail EXTRA="$(EXTRA) -DWARDER_FAILPOINTS" $(BUILD)/fail/warder-hook \
		$(BUILD)/fail/warderd

check: deps ## install what is missing and run all tests; ends with "N passed, N failed"
	$(MAKE) build-tests
	$(RUN) $(UNIT) $(FILTER) $(LIVE) corpus $(E2E)

check-unit: $(UNIT) ## the unit tests
	$(RUN) $^
check-filter: $(FILTER) ## the filter against the interpreter and the kernel
	$(RUN) $^
check-live: build-tests ## real processes and real filters, no container
	$(RUN) $(LIVE)
check-corpus: $(CORPUS) ## replay the fuzzers' corpora
	$(RUN) corpus
check-e2e: build-tests ## real containers
	$(RUN) $(E2E)
check-long: build-tests ## what takes longer: soaks, many kills
	WARDER_LONG=1 $(RUN) $(LIVE) $(E2E)

crash-test: all fail ## kill the worker 1,000 times, replace the daemon 20 times; no call may be lost, doubled or wrong
	WARDER_BUILD=$(abspath $(BUILD)) tests/crash/run.sh 1000 60 20

demo: ## audit, then enforce, a real container; leaves nothing behind
	@tests/deps.sh -q build demo
	@$(MAKE) -s all
	@WARDER_BUILD=$(abspath $(BUILD)) tests/demo.sh

examples: all ## follow every example; writes $(BUILD)/examples.json
	WARDER_BUILD=$(abspath $(BUILD)) tests/examples.sh

bench: ## measure against the floor; writes $(BUILD)/bench.json and the plot in README
	tests/deps.sh build bench
	$(MAKE) all $(BUILD)/tests/bench/caller
	tests/bench/run $(BUILD)
	cp $(BUILD)/bench.svg tests/bench/bench.svg

SANITIZED = $(MAKE) BUILD=$(BUILD)/$(1) FORTIFY= CFLAGS="-O1 -g -fno-omit-frame-pointer" \
	EXTRA="-fsanitize=$(2) -fno-sanitize-recover=all -DWARDER_SANITIZED"
comma := ,
asan: ## unit, filter, live tests, corpora and containers under AddressSanitizer and UBSan
	$(call SANITIZED,asan,address$(comma)undefined) sanitized
ubsan: ## the same under UBSan alone, which sees what AddressSanitizer's layout hides
	$(call SANITIZED,ubsan,undefined) sanitized
tsan: ## unit and live tests and containers under ThreadSanitizer
	$(call SANITIZED,tsan,thread -Wno-tsan) sanitized-threads
# A report fails the test in which it was written, whichever process wrote it (tests/run.sh). The e2e files are
# those in which the real daemon floods, crashes and is steered.
SANITIZED_E2E := $(patsubst %,tests/e2e/%.bats,audit enforce starting native many control api flood sinks crash replace fallback \
	isolation)
REPORTS = $(abspath $(BUILD))/reports
sanitizer = log_path=$(REPORTS)/report:$(1)
sanitized: all fail $(UNIT) $(FILTER) $(LIVE) $(CORPUS)
	rm -rf $(REPORTS) && mkdir -p $(REPORTS)
	WARDER_SANITIZED=1 WARDER_REPORTS=$(REPORTS) ASAN_OPTIONS=$(call sanitizer,abort_on_error=0) \
		UBSAN_OPTIONS=$(call sanitizer,print_stacktrace=1) LSAN_OPTIONS=print_suppressions=0:suppressions=$(CURDIR)/tests/lsan.supp \
		$(RUN) $(UNIT) $(FILTER) $(LIVE) corpus $(SANITIZED_E2E)
# ThreadSanitizer needs its addresses where it expects them, and everything forks. It does not know fences (-Wno-tsan).
sanitized-threads: all fail $(UNIT) $(LIVE)
	rm -rf $(REPORTS) && mkdir -p $(REPORTS)
	WARDER_SANITIZED=1 WARDER_REPORTS=$(REPORTS) TSAN_OPTIONS=$(call sanitizer,die_after_fork=0) \
		WARDER_BUILD=$(abspath $(BUILD)) setarch -R tests/run.sh $(UNIT) $(LIVE) $(SANITIZED_E2E)

SECONDS_EACH ?= 30
fuzz: ## run each fuzz target for SECONDS_EACH (30) seconds
	$(MAKE) CC=clang BUILD=$(BUILD)/fuzz FORTIFY= EXTRA="-fsanitize=fuzzer-no-link,address,undefined" fuzz-run
fuzz-run: $(FUZZ:%=$(BUILD)/%.fuzz)
	@for t in $(FUZZ); do mkdir -p $(BUILD)/corpus/$$t; \
		echo "== $$t"; $(BUILD)/$$t.fuzz -max_total_time=$(SECONDS_EACH) -timeout=10 -print_final_stats=0 \
		-verbosity=0 -artifact_prefix=$(BUILD)/$$t- $(BUILD)/corpus/$$t tests/fuzz/corpus/$$t || exit 1; done
$(BUILD)/%.fuzz: tests/fuzz/%.c $(RUNTIME_A) $(DAEMON_A) $(LIB_A)
	$(CC) $(ALL_CFLAGS) -Isupervisor -Ihook -fsanitize=fuzzer -pie -o $@ $< $(RUNTIME_A) $(DAEMON_A) $(LIB_A) $(PKG_LIBS) $(DAEMON_LIBS) $(CLI_LIBS)

aarch64: ## cross-compile the arm64 part of the injector
	@mkdir -p $(BUILD)/aarch64
	aarch64-linux-gnu-gcc -std=gnu17 -D_GNU_SOURCE -Iinclude -Wall -Wextra -Werror -O2 -c \
		-o $(BUILD)/aarch64/inject_aarch64.o lib/inject_aarch64.c

lint: format-check tidy cppcheck shellcheck ## all linters
# The compiler's hardening means nothing to clang-tidy 14, which refuses some of its flags.
TIDY_FLAGS = $(filter-out -fcf-protection -fstack-clash-protection -ftrivial-auto-var-init=zero,$(ALL_CFLAGS))
tidy: $(SOURCES:%.c=$(BUILD)/tidy/%)
# The analyzer does not follow "0, or the outputs are untouched" into other files.
$(BUILD)/tidy/lib/json $(BUILD)/tidy/lib/policy $(BUILD)/tidy/lib/inject $(BUILD)/tidy/supervisor/api: \
	TIDY_CHECKS = --checks=-clang-analyzer-core.CallAndMessage
$(BUILD)/tidy/supervisor/doors: TIDY_CHECKS = --checks=-clang-analyzer-core.CallAndMessage,-clang-analyzer-core.NonNullParamChecker
$(BUILD)/tidy/lib/clauses: TIDY_CHECKS = --checks=-clang-analyzer-core.UndefinedBinaryOperatorResult,-clang-analyzer-core.NullDereference
$(BUILD)/tidy/lib/wire $(BUILD)/tidy/cli/client: TIDY_CHECKS = --checks=-clang-analyzer-core.NullDereference
$(BUILD)/tidy/lib/inject_aarch64: TIDY_FLAGS = --target=aarch64-linux-gnu -std=gnu17 -D_GNU_SOURCE -Iinclude \
	-isystem /usr/aarch64-linux-gnu/include
$(BUILD)/tidy/%: %.c .clang-tidy
	@mkdir -p $(@D)
	clang-tidy --quiet $(TIDY_CHECKS) $< -- $(TIDY_FLAGS) 2>/dev/null
	@touch $@
# cppcheck takes a pointer into a structure that is filled through it for uninitialized (decide.c, inject.c),
# and `fds, 0` for a dereference (wire.c).
CPPCHECK_WRONG = uninitvar:lib/decide.c ctuuninitvar:lib/inject.c ctunullpointer:lib/wire.c
cppcheck:
	cppcheck --quiet --error-exitcode=1 --inline-suppr --enable=warning,performance,portability \
		--suppress=missingInclude --suppress=unknownMacro $(CPPCHECK_WRONG:%=--suppress=%) -Iinclude -DWARDER_VERSION='""' \
		-D__x86_64__ $(SOURCES)
shellcheck:
	shellcheck -x -e SC1091 $(SCRIPTS)
	shellcheck -x -e SC1091 -S warning -s bats $(E2E)
format: ## format all C files
	clang-format -i $(FORMATTED)
format-check:
	clang-format --dry-run -Werror $(FORMATTED)

compile_commands.json: ## for editors
	@$(MAKE) -Bns all | grep -oE '^[^ ]+ -std=.* -c -o .*\.c$$' | \
		jq -Rn --arg dir "$(CURDIR)" '[inputs | {directory: $$dir, command: ., file: (split(" ") | last)}]' >$@

# What goes where, below $(DESTDIR): install and uninstall both read this. Policies and configuration in /etc
# are the administrator's: share/warder holds what to copy from.
sysconfdir ?= /etc
unitdir    ?= $(prefix)/lib/systemd/system
tmpfilesdir ?= $(prefix)/lib/tmpfiles.d
MAN := $(wildcard man/*.[1578])
INSTALLED = $(foreach f,$(BUILD)/warder,755:$(prefix)/bin:$(f)) \
	$(foreach f,$(BUILD)/warderd $(BUILD)/warder-runtime,755:$(prefix)/sbin:$(f)) \
	755:$(prefix)/libexec/warder:$(BUILD)/warder-hook \
	$(foreach f,$(MAN),644:$(prefix)/share/man/man$(subst .,,$(suffix $(f))):$(f)) \
	$(foreach f,$(wildcard packaging/policies/*.json),644:$(prefix)/share/warder/policies:$(f)) \
	644:$(prefix)/share/warder:man/openapi.json \
	644:$(prefix)/share/warder:packaging/warderd.json \
	644:$(unitdir):packaging/systemd/warderd.socket \
	644:$(unitdir):$(BUILD)/warderd.service \
	644:$(tmpfilesdir):$(BUILD)/warder.conf \
	644:$(sysconfdir)/logrotate.d:$(BUILD)/logrotate/warder

$(BUILD)/warderd.service: packaging/systemd/warderd.service always # prefix may be another
	sed 's|@sbindir@|$(prefix)/sbin|' $< >$@
$(BUILD)/warder.conf: packaging/warder.tmpfiles
	cp $< $@
$(BUILD)/logrotate/warder: packaging/warder.logrotate
	@mkdir -p $(@D)
	cp $< $@

install: all $(BUILD)/warderd.service $(BUILD)/warder.conf $(BUILD)/logrotate/warder ## install below $(DESTDIR)$(prefix)
	@set -e; for row in $(INSTALLED); do rest=$${row#*:}; \
		install -D -m $${row%%:*} -t $(DESTDIR)$${rest%%:*} $${rest#*:}; done
uninstall: ## remove what install put there
	@for row in $(INSTALLED); do rest=$${row#*:}; rm -f $(DESTDIR)$${rest%%:*}/$${rest##*/}; done
	@rmdir $(foreach d,libexec/warder share/warder/policies share/warder,$(DESTDIR)$(prefix)/$(d)) 2>/dev/null || true

dist: ## a tarball of the committed tree
	@mkdir -p $(BUILD)
	git archive --prefix=warder-$(VERSION)/ -o $(BUILD)/warder-$(VERSION).tar.gz HEAD

clean: ## remove what was built
	rm -rf $(BUILD)

help: ## this list
	@sed -nE 's/^([a-z0-9_.-]+):.*## (.*)/\1\t\2/p' Makefile | sort | column -ts'	'

.PHONY: examples always all deps build-tests fail check check-unit check-filter check-live check-corpus check-e2e \
	check-long crash-test demo bench asan ubsan tsan sanitized sanitized-threads fuzz fuzz-run aarch64 lint tidy cppcheck shellcheck \
	format format-check compile_commands.json install uninstall dist clean help
always:
.SECONDARY:
-include $(shell find $(BUILD)/obj $(BUILD)/tests -name '*.d' 2>/dev/null)
