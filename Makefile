# SPDX-License-Identifier: Apache-2.0
# Warder. `make help` lists the targets.
#
# The layering, as lists: each line may use the ones above it, never one below.
LIB         = err failpoint opt json names profile policy bpf filter decide notify wire oci ask event \
              inject inject_$(ARCH)
HOOK       := main install
SESSION    := lane target arena policies journal session
SUPERVISOR := $(SESSION) log config listener worker scribe keeper main
CLI        := main run policy doctor

VERSION := 0.1.0
BUILD   ?= build
CC      := $(if $(filter default,$(origin CC)),gcc,$(CC))
ARCH    ?= $(shell $(CC) -dumpmachine | cut -d- -f1)
prefix  ?= /usr/local

PKGS := libseccomp json-c libcap
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS))
PKG_LIBS   := $(shell pkg-config --libs $(PKGS))

# Hardening and warning flags are probed once per compiler: one that it does not know is left out.
WANTED := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wvla -Wundef \
	-Wpointer-arith -Wcast-qual -Wwrite-strings -Wswitch-enum -Wimplicit-fallthrough -Wconversion \
	-fstack-protector-strong -fstack-clash-protection -fcf-protection -ftrivial-auto-var-init=zero
probe = $(shell $(CC) -Werror $(1) -c -x c -o /dev/null /dev/null 2>/dev/null && echo $(1))
FLAGS := $(foreach f,$(WANTED),$(call probe,$(f)))
CFLAGS ?= -O2 -g
FORTIFY ?= -D_FORTIFY_SOURCE=3
ALL_CFLAGS = -std=gnu17 -D_GNU_SOURCE -DWARDER_VERSION='"$(VERSION)"' -Iinclude $(PKG_CFLAGS) \
	$(FLAGS) $(FORTIFY) -fvisibility=hidden -fPIE -pthread $(if $(WERROR),-Werror) $(CFLAGS) $(EXTRA)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now,-z,noexecstack -pthread $(LDFLAGS) $(EXTRA)

objs = $(patsubst %,$(BUILD)/obj/$(1)/%.o,$(2))
LIB_A := $(BUILD)/libwarder.a
BINS  := $(BUILD)/warder-hook $(BUILD)/warderd $(BUILD)/warder

all: $(BINS) ## build everything

$(BUILD)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(LIB_A): $(call objs,lib,$(LIB))
	rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/warder-hook: $(call objs,hook,$(HOOK)) $(LIB_A)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)
$(BUILD)/warderd: $(call objs,supervisor,$(SUPERVISOR)) $(LIB_A)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)
$(BUILD)/warder: $(call objs,cli,$(CLI)) $(call objs,supervisor,$(SESSION)) $(LIB_A)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

clean: ## remove what was built
	rm -rf $(BUILD)

help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | sort | column -ts'	'

.PHONY: all clean help
-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
