# SPDX-License-Identifier: MIT
# Xenolith: one non-recursive Makefile. `make help` lists what it can do.

B := build
comma := ,
CC ?= gcc
Q := $(if $(V),,@)
say = @$(if $(V),true,printf '  %-8s %s\n' '$(1)' '$(2)')

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

WARN := -Wall -Wextra -Werror -Wvla -Wshadow -Wstrict-prototypes -Wno-unused-parameter

# --- The hypervisor -----------------------------------------------------------------

# No SIMD, no red zone, no libc; linked at its address but written position-independent,
# since it does not lie in the last 2 GiB. DEBUG=1 adds assertions and lock-rank checks.
HV_CFLAGS := -std=gnu11 -O2 -g -ffreestanding -nostdinc -isystem $(shell $(CC) -print-file-name=include) \
	-fPIE -fvisibility=hidden -mno-red-zone -mgeneral-regs-only -mpreferred-stack-boundary=3 \
	-fno-stack-protector -fno-asynchronous-unwind-tables -fno-jump-tables -fno-strict-aliasing \
	-mindirect-branch=thunk-extern -mindirect-branch-register \
	-fomit-frame-pointer -fcf-protection=none -fno-common -Wa,--noexecstack \
	-Ihypervisor -Iinclude -I$(B) $(WARN) $(if $(DEBUG),-DXENOLITH_DEBUG,-DNDEBUG)

HV_C := $(filter-out %/asm_offsets.c,$(wildcard hypervisor/*/*.c))
HV_S := $(wildcard hypervisor/*/*.S)
HV_S := $(filter-out %.lds.S,$(HV_S))
HV_OBJ := $(HV_C:%.c=$(B)/%.o) $(HV_S:%.S=$(B)/%.o)

# Pure modules: also built for the host, imports held to the seam (docs/tour.md).
PURE := boot/bootinfo boot/cmdline boot/elf boot/bzimage boot/image_unpack boot/inflate boot/unxz boot/unzstd boot/checksum \
	core/access core/domain_kill core/event_channel core/event_2l core/event_fifo core/grant_table core/grant_copy core/hypercall core/memory_op \
	core/page_alloc core/sched_credit core/time core/timer core/vcpu_op core/version \
	lib/bitmap lib/rangeset lib/spinlock lib/printf \
	pv/bounce pv/descriptors pv/grant_pv pv/l1tf pv/mmu_update pv/page_owner pv/page_type \
	x86/acpi x86/e820 x86/decode x86/policy x86/protection x86/protection_plan \
	x86/mce_grade x86/microcode_file x86/policy_leaves core/xenctl_bitmap
PURE_OBJ := $(PURE:%=$(B)/hypervisor/%.o)

all: $(B)/xenolith

$(B)/asm_offsets.h: hypervisor/x86/asm_offsets.c $(wildcard hypervisor/*/*.h)
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)$(CC) $(HV_CFLAGS) -S -o - $< | sed -n '/^#define/p' > $@

$(B)/hypervisor/%.o: hypervisor/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(HV_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/hypervisor/%.o: hypervisor/%.S $(B)/asm_offsets.h
	@mkdir -p $(@D)
	$(call say,AS,$<)
	$(Q)$(CC) $(HV_CFLAGS) -D__ASSEMBLY__ -MMD -MP -c -o $@ $<

$(B)/hypervisor.lds: hypervisor/boot/hypervisor.lds.S hypervisor/x86/layout.h
	@mkdir -p $(@D)
	$(Q)$(CC) -E -P -x assembler-with-cpp -D__ASSEMBLY__ -Ihypervisor -o $@ $<

HV_LINK = $(CC) -nostdlib -static -no-pie -Wl,--build-id=none,-z,max-page-size=4096,-z,noexecstack,--no-warn-rwx-segments \
	-Wl,-T,$(B)/hypervisor.lds

# Linked twice: the first image's symbols become the table in the second.
$(B)/symtab0.S: Makefile
	@mkdir -p $(@D)
	$(Q)echo 'image_start_dummy' | awk 'BEGIN { print ".section .symtab_hv, \"a\", @progbits\n.balign 8\n.globl hv_symbols, hv_thunk_sites\nhv_symbols: .long 0\nhv_thunk_sites: .long 0" }' > $@
$(B)/xenolith.0: $(HV_OBJ) $(B)/hypervisor.lds $(B)/symtab0.S
	$(Q)$(HV_LINK) -Wl,--emit-relocs -o $@ $(HV_OBJ) $(B)/symtab0.S
$(B)/symtab.S: $(B)/xenolith.0 scripts/symtab.py scripts/thunk-sites
	$(Q)nm -n $< | python3 scripts/symtab.py > $@
	$(Q)readelf -rsW $< | scripts/thunk-sites >> $@
$(B)/xenolith.syms: $(B)/xenolith.0 $(B)/symtab.S $(HV_OBJ)
	$(call say,LD,$@)
	$(Q)$(HV_LINK) -o $@ $(HV_OBJ) $(B)/symtab.S
# What is booted has no debug information; that is in the file beside it.
$(B)/xenolith: $(B)/xenolith.syms
	$(call say,STRIP,$@)
	$(Q)objcopy --strip-all $< $@

-include $(HV_OBJ:.o=.d)

# Pure objects may import the seam, the library and each other, nothing else.
check-seam: $(PURE_OBJ) scripts/check-seam
	$(Q)scripts/check-seam hypervisor/core/seam.h $(PURE_OBJ)

# --- Host tests -----------------------------------------------------------------------

# H is where host programs are built; `make coverage` and `make fuzz` build them again elsewhere, with HOST_EXTRA.
H := $(B)/host
HOST_SAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined
HOST_OPT := -O1
HOST_CFLAGS = -std=gnu11 -g $(HOST_OPT) $(HOST_SAN) $(HOST_EXTRA) -fno-omit-frame-pointer \
	-DXENOLITH_HOST -DXENOLITH_DEBUG -Ihypervisor -Iinclude -Itests/host $(WARN)
HOST_PURE := $(PURE:%=$(H)/%.o) $(H)/lib/string.o
HOST_FAKE := $(H)/fake_machine.o $(H)/fake_core.o
HOST_TESTS := $(patsubst tests/host/%.c,$(H)/%,$(wildcard tests/host/test_*.c tests/host/model_*.c))

$(H)/%.o: hypervisor/%.c
	@mkdir -p $(@D)
	$(call say,HOSTCC,$<)
	$(Q)$(CC) $(HOST_CFLAGS) -MMD -MP -c -o $@ $<
$(HOST_FAKE): $(H)/%.o: tests/host/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOST_CFLAGS) -MMD -MP -c -o $@ $<
# Fakes first: grant_pv.c, which one of them stands in for, is linked only where it is named.
$(H)/libpure.a: $(HOST_FAKE) $(HOST_PURE)
	$(Q)rm -f $@ && ar rcs $@ $^
$(H)/%: tests/host/%.c $(H)/libpure.a
	$(call say,HOSTLD,$@)
	$(Q)$(CC) $(HOST_CFLAGS) -MMD -MP -o $@ $< $(filter %.o,$^) $(H)/libpure.a -lcmocka
$(H)/test_grant_pv: $(H)/pv/grant_pv.o
-include $(HOST_PURE:.o=.d) $(HOST_TESTS:=.d) $(HOST_FAKE:.o=.d)

# Fuzz targets: tests/fuzz/fuzz_NAME.c and the NAME_*.c beside it.
FUZZERS := $(patsubst tests/fuzz/fuzz_%.c,$(H)/fuzz_%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_FILES = $(wildcard tests/fuzz/$(1)_*.c tests/fuzz/$(1)_*.h)
# fuzz_core counts what the hypercalls hold on frames, where they call page_type.c.
FUZZ_LINK_core := $(addprefix -Wl$(comma)--wrap=,get_page put_page get_page_writable put_page_writable \
	get_page_seg_desc put_page_seg_desc get_page_table put_page_table hold_page_table hold_l1_table release_page_table \
	share_page_with_domain disown_shared_page assign_pages release_owned_page \
	release_owned_pages)
$(H)/fuzz_core: $(H)/pv/grant_pv.o
$(H)/fuzz_image: $(call FUZZ_FILES,image)
$(H)/fuzz_core: $(call FUZZ_FILES,core)
$(H)/fuzz_%: tests/fuzz/fuzz_%.c tests/fuzz/replay.c $(H)/libpure.a
	$(call say,HOSTLD,$@)
	$(Q)$(CC) $(filter-out -fsanitize-coverage=%,$(HOST_CFLAGS)) -O2 $(FUZZ_LINK_$*) -o $@ $(filter %.c %.o,$^) $(H)/libpure.a

# FUZZ_TIME seconds for each target, from seed FUZZ_SEED. What reaches new code is kept in build/fuzz/corpus.
FUZZ_TIME ?= 60
FUZZ_SEED ?= $(shell date +%s)
fuzz:
	$(Q)$(MAKE) --no-print-directory H=$(B)/fuzz HOST_EXTRA=-fsanitize-coverage=trace-pc HOST_OPT=-O2 fuzz-run
fuzz-run: $(FUZZERS)
	$(Q)for f in $(FUZZERS); do n=$${f##*fuzz_}; mkdir -p $(H)/corpus/$$n; \
		$$f -t $(FUZZ_TIME) -s $(FUZZ_SEED) -o $(H)/corpus/$$n tests/fuzz/corpus/$$n $(H)/corpus/$$n || exit 1; done

host-tests: $(HOST_TESTS) $(FUZZERS)

# Which lines of the pure modules the host tests and the fuzz corpora reach. MISSED=1 names those that are not.
COVERAGE_LEAST := 90
PURE_TESTS := $(HOST_TESTS)
coverage:
	$(Q)$(MAKE) --no-print-directory H=$(B)/coverage HOST_EXTRA='--coverage -Wno-maybe-uninitialized' HOST_SAN= HOST_OPT=-O1 coverage-run
coverage-run: $(PURE_TESTS) $(H)/fuzz_core $(H)/fuzz_image
	$(Q)find $(H) -name '*.gcda' -delete
	$(Q)for t in $(PURE_TESTS); do $$t > $$t.log 2>&1 || { cat $$t.log; exit 1; }; done
	$(Q)for f in $(H)/fuzz_core $(H)/fuzz_image; do $$f -n 500 tests/fuzz/corpus/$${f##*fuzz_} > $$f.log 2>&1 || { cat $$f.log; exit 1; }; done
	$(Q)scripts/coverage --least $(COVERAGE_LEAST) $(if $(MISSED),--missed) $(HOST_PURE)

# --- Guests, whole machines, the ABI's layout: more rules, in fragments -----------------

KERNEL := $(B)/kernel/vmlinux
include dom0-tools/tools.mk dom0-tools/builder.mk dom0-tools/xl/xl.mk backend-drivers/backend.mk tests/guest/guest.mk tests/host/abi.mk tests/system/system.mk tests/user/user.mk
include tests/bench/bench.mk


clean:
	rm -rf $(B)/hypervisor $(B)/host $(B)/xenolith* $(B)/symtab*.S $(B)/asm_offsets.h $(B)/hypervisor.lds

.PHONY: all clean check-seam host-tests fuzz fuzz-run coverage coverage-run
.SECONDARY:
