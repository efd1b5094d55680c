# libagentcompress. `make help` lists the targets.
#
# Objects land in build/$(MODE); sources and tests are found by wildcard, so a
# new file needs no change here. CFLAGS, CPPFLAGS and LDFLAGS are the user's.

MODE ?= release
BUILD := build/$(MODE)
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(Q),@printf '  %-5s %s\n' '$(1)' '$(2)')

CC ?= cc
AR ?= ar
CLANG ?= clang
PKG_CONFIG ?= pkg-config
NVCC ?= $(shell command -v nvcc 2>/dev/null)
CFLAGS ?= -O2 -g
VERSION := $(shell sed -n \
    's/^.define AC_VERSION_STRING "\(.*\)"/\1/p' include/agentcompress.h)
MAJOR := $(firstword $(subst ., ,$(VERSION)))

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
INSTALL ?= install

# ---- flags -------------------------------------------------------------------

PACKAGES := libpcre2-8 libutf8proc jansson sqlite3 liblzma
MODE_release := -DNDEBUG
MODE_debug   := -O0
MODE_asan    := -O2 -fsanitize=address,undefined -fno-sanitize-recover=all \
                -fno-omit-frame-pointer
MODE_tsan    := -O2 -fsanitize=thread -fno-omit-frame-pointer
# for `make fuzz`, built by clang
MODE_fuzz    := -O1 -fsanitize=fuzzer-no-link,address,undefined \
                -fno-sanitize-recover=all -fno-omit-frame-pointer
ifeq ($(MODE),fuzz)
CC := $(CLANG)
endif

OUR_CPPFLAGS := -Iinclude -Isrc -D_GNU_SOURCE -DPCRE2_CODE_UNIT_WIDTH=8 \
                $(shell $(PKG_CONFIG) --cflags $(PACKAGES) 2>/dev/null)
WARNINGS     := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes \
                -Wmissing-prototypes -Wvla -Wundef -Wno-psabi
OUR_CFLAGS   := -std=c11 -fvisibility=hidden -fPIC -ffp-contract=off -pthread \
                $(WARNINGS) $(MODE_$(MODE))
LIBS         := $(shell $(PKG_CONFIG) --libs $(PACKAGES) 2>/dev/null) \
                -lm -ldl -pthread
CLI_LIBS     := $(shell $(PKG_CONFIG) --libs jansson 2>/dev/null) -lm -pthread
CHECK_LIBS    = $(shell $(PKG_CONFIG) --libs check)

# One object per instruction set: the file's suffix says which.
ISA_avx2   := -mavx2 -mfma -mf16c
ISA_avx512 := -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512vl -mavx512dq \
              -mavx512vnni -mavx512vbmi
ISA_avx512bf16 := $(ISA_avx512) -mavx512bf16
isa = $(ISA_$(lastword $(subst _, ,$(1))))

COMPILE = $(CC) $(OUR_CPPFLAGS) $(CPPFLAGS) $(OUR_CFLAGS) $(CFLAGS) \
          $(MODE_$(MODE))

# ---- files -------------------------------------------------------------------

# CUDA is used where there is nvcc; else no_cuda.c says that there is none.
CUDA_KERNELS := $(wildcard cuda/*.cu)
CUDA_HOST    := $(filter-out cuda/no_cuda.c,$(wildcard cuda/*.c))
CUDA_HOME    := $(if $(NVCC),$(abspath $(dir $(realpath $(NVCC)))..))
SOURCES := $(filter-out src/programs/%,$(wildcard src/*/*.c src/*/*/*.c)) \
           $(if $(NVCC),$(CUDA_HOST),cuda/no_cuda.c)
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o) \
           $(if $(NVCC),$(CUDA_KERNELS:%.cu=$(BUILD)/%.o))
# The runtime is linked in, so nothing of CUDA need be there to load us.
CUDA_LIBS := $(if $(NVCC),-L$(CUDA_HOME)/lib64 -lcudart_static -ldl -lrt)
# Machine code for each of these, and PTX for what comes after.
CUDA_ARCHS ?= 80 89 90a
NVCC_FLAGS := -std=c++17 -O2 -fmad=false -I. -Iinclude -Isrc \
    $(foreach a,$(CUDA_ARCHS),-gencode arch=compute_$(a),code=sm_$(a)) \
    -gencode arch=compute_80,code=compute_80 -Xcompiler \
    -fPIC,-fvisibility=hidden,-fno-exceptions,-fno-rtti,-fno-threadsafe-statics \
    -Xptxas -v
CLI     := $(wildcard src/programs/cli/*.c)

STATIC  := $(BUILD)/libagentcompress.a
SHARED  := $(BUILD)/libagentcompress.so.$(VERSION)
SONAME  := libagentcompress.so.$(MAJOR)
PROGRAM := $(BUILD)/agentcompress
PC      := $(BUILD)/agentcompress.pc

# Every tests/*/test_X.c defines `Suite *test_X_suite(void)`; the other files
# beside them are what they share.
TESTS        := $(wildcard tests/*/test_*.c)
SUITES       := $(notdir $(TESTS:.c=))
FUZZERS      := $(wildcard tests/fuzz/fuzz_*.c)
TEST_SUPPORT := $(filter-out $(TESTS) tests/abi/% tests/bench/% \
                  tests/programs/% tests/golden/% tests/fuzz/entry.c, \
                  $(wildcard tests/*/*.c))
BENCH_SUPPORT := $(filter-out tests/bench/bench_% tests/bench/cuda_bench%, \
                   $(wildcard tests/bench/*.c))
CUDA_BENCH    := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/bench/cuda_bench*.c))
SCRIPTS      := $(sort $(wildcard tests/programs/*.sh tests/abi/*.sh))
LINTS        := $(sort $(wildcard tests/lint/*.sh))
RUNNER       := $(BUILD)/tests/run
# The suites that a real device runs too: all but those that break it.
CUDA_SUITES  := $(filter-out test_cuda_memory test_cuda_device test_emulation,$(notdir \
                  $(patsubst %.c,%,$(wildcard tests/cuda/test_*.c))))
CUDA_RUNNER  := $(BUILD)/tests/run_cuda

.PHONY: all demo check check-now install uninstall deps lint abi-check \
        abi-accept workflows-accept sanitize tsan valgrind fuzz bench-compare cuda-budgets cuda-budgets-accept \
        gpu-check gpu-pack clean help FORCE
.SECONDARY:
.DELETE_ON_ERROR:
$(if $(Q),.SILENT: install uninstall)

all: $(STATIC) $(SHARED) $(PROGRAM) $(PC) ## library, program

# ---- building ----------------------------------------------------------------

# Rewritten only when it differs, so that new flags rebuild and old ones don't.
keep = cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@$(PKG_CONFIG) --exists --print-errors $(PACKAGES) || \
	    { echo 'libraries are missing: run `make deps`' >&2; exit 1; }
	@echo '$(COMPILE) $(LDFLAGS) $(LIBS)' > $@.new; $(keep)

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(COMPILE) $(if $(WERROR),-Werror) $(call isa,$(basename $<)) \
	    -MMD -MP -c -o $@ $<

$(BUILD)/nvcc_flags: FORCE
	@mkdir -p $(@D)
	@echo '$(NVCC) $(NVCC_FLAGS)' > $@.new; $(keep)

# What ptxas says of registers and spills is kept for tests/cuda/budgets.sh.
$(BUILD)/%.o: %.cu $(BUILD)/nvcc_flags
	@mkdir -p $(@D)
	$(call say,NVCC,$<)
	$(Q)$(NVCC) $(NVCC_FLAGS) -MMD -MP -c -o $@ $< \
	    2> $(@:.o=.ptxas) || { cat $(@:.o=.ptxas) >&2; exit 1; }
	@grep -vE '^ptxas info|bytes stack frame' $(@:.o=.ptxas) >&2 || true

$(CUDA_HOST:%.c=$(BUILD)/%.o): OUR_CPPFLAGS += -I. -isystem $(CUDA_HOME)/include

$(STATIC): $(OBJECTS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $(OBJECTS)

$(SHARED): $(OBJECTS) lib/agentcompress.map
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(MODE_$(MODE)) -shared -Wl,-soname,$(SONAME) \
	    -Wl,-z,defs -Wl,--exclude-libs,ALL -Wl,--version-script=lib/agentcompress.map $(LDFLAGS) \
	    -o $@ $(OBJECTS) $(LIBS) $(CUDA_LIBS)
	$(Q)ln -sf $(@F) $(BUILD)/$(SONAME)
	$(Q)ln -sf $(SONAME) $(BUILD)/libagentcompress.so

# The program sees the public header and the shared object, like any other.
link_program = $(CC) $(CFLAGS) $(MODE_$(MODE)) $(LDFLAGS) -o $(1) \
    $(CLI:%.c=$(BUILD)/%.o) -L$(BUILD) -lagentcompress \
    -Wl,-rpath,'$$ORIGIN$(2)' $(CLI_LIBS)

$(PROGRAM): $(CLI:%.c=$(BUILD)/%.o) $(SHARED)
	$(call say,LD,$@)
	$(Q)$(call link_program,$@)

# ---- installing --------------------------------------------------------------

relative = $(shell realpath -m --relative-to=$(1) $(2))

$(PC): pkgconfig/agentcompress.pc.in FORCE
	@mkdir -p $(@D)
	@sed -e 's|@PREFIX@|$(call relative,$(LIBDIR)/pkgconfig,$(PREFIX))|' \
	    -e 's|@LIBDIR@|$(call relative,$(PREFIX),$(LIBDIR))|' \
	    -e 's|@INCLUDEDIR@|$(call relative,$(PREFIX),$(INCLUDEDIR))|' \
	    -e 's|@VERSION@|$(VERSION)|' -e 's|@PACKAGES@|$(PACKAGES)|' \
	    -e 's|@CUDA_LIBS@|$(CUDA_LIBS)|' $< > $@.new; $(keep)

install: all ## PREFIX, LIBDIR, INCLUDEDIR, BINDIR, MANDIR, DESTDIR
	$(INSTALL) -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCLUDEDIR) \
	    $(DESTDIR)$(BINDIR)
	$(INSTALL) -m 644 include/agentcompress.h $(DESTDIR)$(INCLUDEDIR)
	$(INSTALL) -m 644 $(STATIC) $(DESTDIR)$(LIBDIR)
	$(INSTALL) -m 755 $(SHARED) $(DESTDIR)$(LIBDIR)
	ln -sf $(notdir $(SHARED)) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libagentcompress.so
	$(INSTALL) -m 644 $(PC) $(DESTDIR)$(LIBDIR)/pkgconfig
	$(call link_program,$(DESTDIR)$(BINDIR)/agentcompress,/$(call \
	    relative,$(BINDIR),$(LIBDIR)))
	if [ -f docs/agentcompress.1 ]; then \
	    $(INSTALL) -d $(DESTDIR)$(MANDIR)/man1 && \
	    $(INSTALL) -m 644 docs/agentcompress.1 $(DESTDIR)$(MANDIR)/man1; fi

uninstall: ## the same variables as install
	rm -f $(DESTDIR)$(INCLUDEDIR)/agentcompress.h \
	    $(DESTDIR)$(LIBDIR)/libagentcompress.a \
	    $(DESTDIR)$(LIBDIR)/libagentcompress.so \
	    $(DESTDIR)$(LIBDIR)/libagentcompress.so.$(MAJOR) \
	    $(DESTDIR)$(LIBDIR)/libagentcompress.so.$(VERSION) \
	    $(DESTDIR)$(LIBDIR)/pkgconfig/agentcompress.pc \
	    $(DESTDIR)$(BINDIR)/agentcompress \
	    $(DESTDIR)$(MANDIR)/man1/agentcompress.1

deps: ## install what is missing, with apt-get
	@PKG_CONFIG='$(PKG_CONFIG)' CC='$(CC)' sh .ci/deps

# ---- testing -----------------------------------------------------------------

# A make of their own, so that libraries `deps` installs are seen.
demo: deps ## a small zoo, a prompt of each kind, a ledger
	$(Q)$(MAKE) --no-print-directory all
	$(Q)sh examples/demo.sh $(BUILD)

check: deps ## every test; SUITE=test_memory for one suite
	$(Q)$(MAKE) --no-print-directory check-now

check-now: $(RUNNER) $(if $(SUITE),,all)
	$(if $(filter-out $(SUITES),$(SUITE)),$(error there is no suite \
	    "$(SUITE)": a suite is a file tests/*/test_NAME.c, without the .c))
ifeq ($(SUITE),)
	@for script in $(SCRIPTS); do BUILD='$(BUILD)' CC='$(CC)' MODE='$(MODE)' \
	    MAKE='$(MAKE)' NVCC='$(NVCC)' PKG_CONFIG='$(PKG_CONFIG)' sh $$script || exit 1; done
endif
	$(Q)$(if $(SUITE),CK_RUN_SUITE=$(SUITE)) $(RUNNER)

$(BUILD)/tests/suites.inc: FORCE
	@mkdir -p $(@D)
	@for s in $(SUITES); do echo "SUITE($$s)"; done > $@.new; $(keep)

$(BUILD)/tests/fuzzers.inc: FORCE
	@mkdir -p $(@D)
	@for f in $(notdir $(FUZZERS:.c=)); do echo "FUZZER($$f)"; done \
	    > $@.new; $(keep)

$(BUILD)/tests/%.o: OUR_CPPFLAGS += -Itests -I$(BUILD)/tests
$(BUILD)/tests/run.o: $(BUILD)/tests/suites.inc
$(BUILD)/tests/fuzz/test_replay.o: $(BUILD)/tests/fuzzers.inc

# The sources of cuda/ once more, as C++ for an emulated device (tests/cuda).
# They come before the library, whose own for a real one are then not wanted.
CXX ?= c++
EMULATED := $(CUDA_KERNELS:%.cu=$(BUILD)/emulated/%.o) \
            $(CUDA_HOST:%.c=$(BUILD)/emulated/%.o) \
            $(patsubst %.cc,$(BUILD)/emulated/%.o,$(wildcard tests/cuda/*.cc)) \
            $(BUILD)/emulated/tests/bench/skip_tiles_cuda.o
OUR_CXXFLAGS := -std=c++17 -fvisibility=hidden -fPIC -ffp-contract=off -pthread \
    -fno-strict-aliasing -Wall -Wextra -Wno-unknown-pragmas -Wno-psabi

$(BUILD)/emulated/%.o: %.cu $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CXX,$<)
	$(Q)$(CXX) $(OUR_CPPFLAGS) -I. -Itests/cuda -DACI_CUDA_EMULATED -include \
	    tests/cuda/emulation.h $(OUR_CXXFLAGS) $(CFLAGS) $(MODE_$(MODE)) \
	    $(if $(WERROR),-Werror) -x c++ -MMD -MP -c -o $@ $<

$(BUILD)/emulated/%.o: %.cc $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CXX,$<)
	$(Q)$(CXX) $(OUR_CPPFLAGS) -I. -Itests/cuda $(OUR_CXXFLAGS) $(CFLAGS) \
	    $(MODE_$(MODE)) $(if $(WERROR),-Werror) -MMD -MP -c -o $@ $<

$(BUILD)/emulated/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC,$< emulated)
	$(Q)$(COMPILE) -I. -Itests/cuda -DACI_CUDA_EMULATED -include \
	    tests/cuda/emulated_runtime.h $(if $(WERROR),-Werror) -MMD -MP -c -o $@ $<

TEST_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,tests/run.c $(TESTS) \
                  $(TEST_SUPPORT))
$(RUNNER): $(TEST_OBJECTS) $(EMULATED) $(STATIC)
	$(call say,LD,$@)
	$(Q)$(CXX) $(CFLAGS) $(MODE_$(MODE)) $(LDFLAGS) -o $@ $(TEST_OBJECTS) \
	    $(EMULATED) $(STATIC) $(CHECK_LIBS) $(LIBS)

# The CUDA suites on a real device: the same tests without the emulation.
$(BUILD)/tests/cuda/real/suites.inc: FORCE
	@mkdir -p $(@D)
	@for s in $(CUDA_SUITES); do echo "SUITE($$s)"; done > $@.new; $(keep)

$(BUILD)/tests/cuda/real/run.o: tests/run.c $(BUILD)/tests/cuda/real/suites.inc
	$(Q)$(COMPILE) -iquote $(@D) -MMD -MP -c -o $@ $<

$(CUDA_RUNNER): $(BUILD)/tests/cuda/real/run.o $(BUILD)/tests/cuda/real/real_device.o \
    $(CUDA_SUITES:%=$(BUILD)/tests/cuda/%.o) \
    $(TEST_SUPPORT:%.c=$(BUILD)/%.o) $(BUILD)/tests/bench/skip_tiles_cuda.o $(STATIC)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(MODE_$(MODE)) $(LDFLAGS) -o $@ $(filter %.o,$^) \
	    $(STATIC) $(CHECK_LIBS) $(LIBS) $(CUDA_LIBS)

# Everything `gpu-check` runs, with the libraries that it needs, in one folder
# and as a file of a third its size: for a machine with a GPU that cannot build.
GPU_PACK := build/gpu_pack
GPU_PROGRAMS := $(PROGRAM) $(CUDA_RUNNER) $(BUILD)/tests/bench/bench_cuda

gpu-pack: $(GPU_PROGRAMS) ## what gpu-check needs, built here, to be carried
	@rm -rf $(GPU_PACK) && mkdir -p $(GPU_PACK)/lib
	@cp $(GPU_PROGRAMS) $(GPU_PACK)
	@for one in $(GPU_PROGRAMS); do ldd $$one; done | awk '$$2 == "=>" && \
	    $$3 ~ /^\// && $$1 !~ /^(libc|libm|libdl|librt|libpthread)\.so/ \
	    { print $$3 }' | sort -u | xargs -I{} cp -L {} $(GPU_PACK)/lib
	@chmod -R u+w $(GPU_PACK) && strip $(addprefix $(GPU_PACK)/,$(notdir \
	    $(GPU_PROGRAMS))) $(GPU_PACK)/lib/*
	@tar -C $(dir $(GPU_PACK)) -czf $(GPU_PACK).tar.gz $(notdir $(GPU_PACK))
	@du -sh $(GPU_PACK) $(GPU_PACK).tar.gz

gpu-check: $(if $(NVCC),$(shell $(PKG_CONFIG) --exists $(PACKAGES) check \
    2>/dev/null && echo $(GPU_PROGRAMS))) ## everything on a real GPU, 8 minutes
	@BUILD='$(BUILD)' sh tests/cuda/gpu_check.sh

# AddressSanitizer and UBSan over the unit tests, two halves side by side;
# ThreadSanitizer likewise.
sanitize: ## unit tests under ASan and UBSan
	$(Q)$(MAKE) --no-print-directory MODE=asan build/asan/tests/run
	$(Q)for part in 1 2; do \
	    ASAN_OPTIONS=allocator_may_return_null=1:detect_leaks=1 \
	    AC_TEST_QUICK=1 CK_TIMEOUT_MULTIPLIER=10 AC_TEST_PART=$$part/2 \
	    build/asan/tests/run & pids="$$pids $$!"; done; \
	for pid in $$pids; do wait $$pid || bad=1; done; [ -z "$$bad" ]

tsan: ## unit tests under ThreadSanitizer
	$(Q)$(MAKE) --no-print-directory MODE=tsan build/tsan/tests/run
	$(Q)TSAN_OPTIONS=halt_on_error=1:allocator_may_return_null=1 \
	    AC_TEST_QUICK=1 CK_TIMEOUT_MULTIPLIER=20 build/tsan/tests/run

valgrind: $(RUNNER) ## unit tests under valgrind, one process
	$(Q)AC_TEST_QUICK=1 CK_FORK=no CK_TIMEOUT_MULTIPLIER=50 valgrind -q --error-exitcode=9 \
	    --leak-check=full $(RUNNER)

# Each tests/fuzz/fuzz_X.c under libFuzzer for FUZZ_SECONDS; new inputs go to
# build/fuzz/corpora. fuzz-X runs one.
FUZZ_SECONDS ?= 60
fuzz: $(patsubst tests/fuzz/fuzz_%.c,fuzz-%,$(FUZZERS)) ## FUZZ_SECONDS=60 each
fuzz-%: FORCE
	$(Q)$(MAKE) --no-print-directory MODE=fuzz build/fuzz/fuzz_$*
	@mkdir -p build/fuzz/corpora/$* tests/fuzz/corpora/$*
	$(Q)cd build/fuzz && ./fuzz_$* -max_total_time=$(FUZZ_SECONDS) \
	    -timeout=10 -rss_limit_mb=2048 corpora/$* \
	    $(CURDIR)/tests/fuzz/corpora/$*

FUZZ_SUPPORT := $(filter-out $(FUZZERS) $(TESTS) tests/fuzz/entry.c, \
                  $(wildcard tests/fuzz/*.c))
$(BUILD)/fuzz_%: tests/fuzz/entry.c $(BUILD)/tests/fuzz/fuzz_%.o \
                 $(FUZZ_SUPPORT:%.c=$(BUILD)/%.o) $(STATIC)
	$(call say,LD,$@)
	$(Q)$(COMPILE) -Itests -fsanitize=fuzzer -ffunction-sections \
	    -Wl,--gc-sections $(LDFLAGS) -DTARGET=fuzz_$* -o $@ $^ $(LIBS)

# Benchmarks: tests/bench/bench_X.c is `make bench-X`.
bench-%: $(BUILD)/tests/bench/bench_% FORCE
	$(Q)$< $(ARGS)

bench-compare: ## BENCH=cpu BASE=main: before and after, in turns
	$(Q)sh tests/bench/compare.sh $(BENCH) $(BASE)

BENCH_OBJECTS := $(BENCH_SUPPORT:%.c=$(BUILD)/%.o)
# the one that needs a GPU, and nvcc to be built
$(BUILD)/tests/bench/bench_cuda: $(BUILD)/tests/bench/roofs_cuda.o \
                                 $(BUILD)/tests/bench/skip_tiles_cuda.o $(CUDA_BENCH)
$(BUILD)/tests/bench/bench_cuda.o $(CUDA_BENCH): \
    OUR_CPPFLAGS += -I. -isystem $(CUDA_HOME)/include
$(BUILD)/tests/bench/bench_%: $(BUILD)/tests/bench/bench_%.o \
                              $(BENCH_OBJECTS) $(STATIC)
	$(Q)$(CC) $(CFLAGS) $(MODE_$(MODE)) $(LDFLAGS) -o $@ $^ $(LIBS) \
	    $(CUDA_LIBS)

# ---- checking the source and the ABI -----------------------------------------

lint: ## layers, names, sizes, banned calls
	@for script in $(LINTS); do sh $$script || bad=1; done; [ -z "$$bad" ]

abi-check: all ## exported symbols and the stored ABI
	$(Q)BUILD='$(BUILD)' CC='$(CC)' sh lib/abi_check

abi-accept: all ## store today's ABI; needs a line in docs/changelog.md
	$(Q)BUILD='$(BUILD)' CC='$(CC)' sh lib/abi_check accept

FROZEN := test calibration train ood-kind ood-domain ood-template
workflows-accept: $(PROGRAM) ## store the SHA-256 of today's workflows
	@for split in $(FROZEN); do \
	    $(PROGRAM) workflows generate --split $$split | sha256sum | \
	        sed "s/-$$/$$split/" || exit 1; \
	done > tests/golden/workflows.sha256
	@cat tests/golden/workflows.sha256

cuda-budgets: $(SHARED) ## registers, spills and shared memory of each kernel
	@BUILD='$(BUILD)' NVCC='$(NVCC)' sh tests/cuda/budgets.sh show

cuda-budgets-accept: $(SHARED) ## today's are what kernels may use
	@BUILD='$(BUILD)' NVCC='$(NVCC)' sh tests/cuda/budgets.sh accept

clean: ## remove build/
	rm -rf build

help: ## this
	@echo 'make TARGET [MODE=release|debug|asan|tsan] [V=1] [WERROR=1]'
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1 - \2/p' Makefile
	@echo '  bench-X - run tests/bench/bench_X.c, ARGS="..."; there is:'
	@echo '   $(patsubst tests/bench/bench_%.c, bench-%,$(sort \
	    $(wildcard tests/bench/bench_*.c)))'

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
