# libagentcompress. `make help` lists the targets.

MODE      ?= release
BUILD     := build/$(MODE)
V         ?= 0
Q         := $(if $(filter 1,$(V)),,@)

CC        ?= cc
AR        ?= ar
CFLAGS    ?= -O2 -g
VERSION   := $(shell sed -n 's/^.define AC_VERSION_STRING "\(.*\)"/\1/p' include/agentcompress.h)
MAJOR     := $(firstword $(subst ., ,$(VERSION)))

PACKAGES  := libpcre2-8 libutf8proc jansson sqlite3 liblzma
OUR_CPPFLAGS := -Iinclude -Isrc -D_GNU_SOURCE -DPCRE2_CODE_UNIT_WIDTH=8
OUR_CFLAGS   := -std=c11 -fvisibility=hidden -fPIC -ffp-contract=off -pthread \
                -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes \
                -Wmissing-prototypes -Wvla -Wundef $(if $(WERROR),-Werror)
LIBS         := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -lm -pthread

# One object per instruction set: the file's suffix says which.
ISA_avx2   := -mavx2 -mfma -mf16c
ISA_avx512 := -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512vl -mavx512dq \
              -mavx512vnni -mavx512vbmi
isa = $(if $(filter %_avx2,$(1)),$(ISA_avx2))$(if $(filter %_avx512,$(1)),$(ISA_avx512))

SOURCES := $(filter-out src/programs/%,$(wildcard src/*/*.c src/*/*/*.c))
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o)
CLI     := $(wildcard src/programs/cli/*.c)
STATIC  := $(BUILD)/libagentcompress.a
SHARED  := $(BUILD)/libagentcompress.so.$(MAJOR)
PROGRAM := $(BUILD)/agentcompress

TESTS   := $(wildcard tests/*/test_*.c)
SUITES  := $(notdir $(TESTS:.c=))

.PHONY: all check clean help
all: $(STATIC) $(SHARED) $(PROGRAM)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC  $<")
	$(Q)$(CC) $(OUR_CPPFLAGS) $(CPPFLAGS) $(OUR_CFLAGS) $(CFLAGS) \
	    $(call isa,$(basename $<)) -MMD -MP -c -o $@ $<

$(STATIC): $(OBJECTS)
	$(if $(Q),@echo "  AR  $@")
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(SHARED): $(OBJECTS) lib/agentcompress.map
	$(if $(Q),@echo "  LD  $@")
	$(Q)$(CC) -shared -Wl,-soname,libagentcompress.so.$(MAJOR) -Wl,-z,defs \
	    -Wl,--version-script=lib/agentcompress.map $(LDFLAGS) -o $@ \
	    $(OBJECTS) $(LIBS)
	$(Q)ln -sf $(notdir $@) $(BUILD)/libagentcompress.so

$(PROGRAM): $(CLI:%.c=$(BUILD)/%.o) $(SHARED)
	$(if $(Q),@echo "  LD  $@")
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -L$(BUILD) -lagentcompress \
	    -Wl,-rpath,'$$ORIGIN' -lm

# Tests: every tests/*/test_X.c defines `Suite *test_X_suite(void)`.
$(BUILD)/tests/suites.inc: $(TESTS)
	@mkdir -p $(@D)
	@for s in $(SUITES); do echo "SUITE($$s)"; done > $@

$(BUILD)/tests/run.o: OUR_CPPFLAGS += -I$(BUILD)/tests
$(BUILD)/tests/run.o: $(BUILD)/tests/suites.inc

$(BUILD)/tests/run: $(BUILD)/tests/run.o $(TESTS:%.c=$(BUILD)/%.o) $(STATIC)
	$(if $(Q),@echo "  LD  $@")
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(shell pkg-config --libs check) $(LIBS)

# Run one suite: make check SUITE=test_memory
check: $(BUILD)/tests/run
	$(Q)$(if $(SUITE),CK_RUN_SUITE=$(SUITE)) $(BUILD)/tests/run

# Benchmarks: tests/bench/bench_X.c is `make bench-X`.
bench-%: $(BUILD)/tests/bench/bench_%
	$(Q)$< $(ARGS)

$(BUILD)/tests/bench/bench_%: $(BUILD)/tests/bench/bench_%.o $(STATIC)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

clean:
	rm -rf build

-include $(shell find build -name '*.d' 2>/dev/null)
.SECONDARY:
