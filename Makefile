# SPDX-License-Identifier: MIT
# Xenolith: one non-recursive Makefile. `make help` lists what it can do.

B := build
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
	-fomit-frame-pointer -fcf-protection=none -fno-common -Wa,--noexecstack \
	-Ihypervisor -Iinclude -I$(B) $(WARN) $(if $(DEBUG),-DXENOLITH_DEBUG,-DNDEBUG)

HV_C := $(filter-out %/asm_offsets.c,$(wildcard hypervisor/*/*.c))
HV_S := $(wildcard hypervisor/*/*.S)
HV_S := $(filter-out %.lds.S,$(HV_S))
HV_OBJ := $(HV_C:%.c=$(B)/%.o) $(HV_S:%.S=$(B)/%.o)

# Pure modules: also built for the host, imports held to the seam (docs/tour.md).
PURE := boot/bootinfo boot/cmdline boot/elf boot/bzimage boot/inflate boot/unxz boot/unzstd boot/checksum \
	core/access core/event_channel core/event_2l core/event_fifo core/grant_table core/page_alloc core/timer \
	lib/bitmap lib/rangeset lib/spinlock lib/printf \
	pv/bounce pv/descriptors pv/page_type \
	x86/acpi x86/e820 x86/decode x86/policy x86/protection
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
$(B)/symtab0.S:
	@mkdir -p $(@D)
	$(Q)echo 'image_start_dummy' | awk 'BEGIN { print ".section .symtab_hv, \"a\", @progbits\n.balign 8\n.globl hv_symbols\nhv_symbols: .long 0" }' > $@
$(B)/xenolith.0: $(HV_OBJ) $(B)/hypervisor.lds $(B)/symtab0.S
	$(Q)$(HV_LINK) -o $@ $(HV_OBJ) $(B)/symtab0.S
$(B)/symtab.S: $(B)/xenolith.0 scripts/symtab.py
	$(Q)nm -n $< | python3 scripts/symtab.py > $@
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

HOST_CFLAGS := -std=gnu11 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer \
	-DXENOLITH_HOST -DXENOLITH_DEBUG -Ihypervisor -Iinclude -Itests/host $(WARN)
HOST_PURE := $(PURE:%=$(B)/host/%.o) $(B)/host/lib/string.o
HOST_TESTS := $(patsubst tests/host/%.c,$(B)/host/%,$(wildcard tests/host/test_*.c tests/host/model_*.c))

$(B)/host/%.o: hypervisor/%.c
	@mkdir -p $(@D)
	$(call say,HOSTCC,$<)
	$(Q)$(CC) $(HOST_CFLAGS) -MMD -MP -c -o $@ $<
$(B)/host/fake_machine.o: tests/host/fake_machine.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOST_CFLAGS) -MMD -MP -c -o $@ $<
$(B)/host/libpure.a: $(HOST_PURE) $(B)/host/fake_machine.o
	$(Q)rm -f $@ && ar rcs $@ $^
$(B)/host/%: tests/host/%.c $(B)/host/libpure.a
	$(call say,HOSTLD,$@)
	$(Q)$(CC) $(HOST_CFLAGS) -MMD -MP -o $@ $< $(B)/host/libpure.a -lcmocka
-include $(HOST_PURE:.o=.d) $(HOST_TESTS:=.d) $(B)/host/fake_machine.d

# Fuzz targets: replayed with fixed mutations by the tests, by time with libFuzzer (clang, libclang-rt) or here.
FUZZERS := $(patsubst tests/fuzz/fuzz_%.c,$(B)/host/fuzz_%,$(wildcard tests/fuzz/fuzz_*.c))
$(B)/host/fuzz_%: tests/fuzz/fuzz_%.c tests/fuzz/replay.c $(B)/host/libpure.a
	$(call say,HOSTLD,$@)
	$(Q)$(CC) $(HOST_CFLAGS) -O2 -o $@ $< tests/fuzz/replay.c $(B)/host/libpure.a

# FUZZ_N mutations of each corpus from seed FUZZ_SEED.
FUZZ_N ?= 1000000
FUZZ_SEED ?= $(shell date +%s)
fuzz: $(FUZZERS)
	$(Q)for f in $(FUZZERS); do $$f -n $(FUZZ_N) -s $(FUZZ_SEED) tests/fuzz/corpus/$${f##*fuzz_} || exit 1; done

host-tests: $(HOST_TESTS) $(FUZZERS)

# --- Guests, whole machines, the ABI's layout: more rules, in fragments -----------------

include tests/guest/guest.mk tests/host/abi.mk tests/system/system.mk tests/user/user.mk


clean:
	rm -rf $(B)/hypervisor $(B)/host $(B)/xenolith* $(B)/symtab*.S $(B)/asm_offsets.h $(B)/hypervisor.lds

.PHONY: all clean check-seam host-tests fuzz
.SECONDARY:
