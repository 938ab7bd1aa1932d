# SPDX-License-Identifier: MIT
# Rules for the OS-less PV guests: the runtime (frontend-drivers/runtime) and one program per file in tests/guest.
# Included by the main Makefile; B is the build folder. `make guests` leaves $(B)/guest/NAME.elf.

RUNTIME := frontend-drivers/runtime
GUEST_B := $(B)/guest
GUEST_CC ?= $(CC)

GUEST_NAMES := $(basename $(notdir $(wildcard tests/guest/*.c)))
GUEST_ELFS := $(GUEST_NAMES:%=$(GUEST_B)/%.elf)
# os.o is what the frontends ask of the runtime, and comes with them (frontend-drivers/frontend.mk).
RUNTIME_OBJS := $(patsubst $(RUNTIME)/%.c,$(GUEST_B)/runtime/%.o,$(filter-out %/os.c,$(wildcard $(RUNTIME)/*.c))) \
	$(GUEST_B)/runtime/start.o

GUEST_CPPFLAGS := -Iinclude -I$(RUNTIME) -Ifrontend-drivers -MMD -MP
GUEST_CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror -Wvla -Wshadow -Wstrict-prototypes -ffreestanding -fno-builtin \
	-fno-pic -fno-pie -mcmodel=kernel -mno-red-zone -mgeneral-regs-only -fno-stack-protector -fcf-protection=none \
	-fno-asynchronous-unwind-tables -fno-strict-aliasing -ffunction-sections
GUEST_LDFLAGS := -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments

include frontend-drivers/frontend.mk

.PHONY: guests
guests: $(GUEST_ELFS)

$(GUEST_B)/runtime/%.o: $(RUNTIME)/%.c
	@mkdir -p $(@D)
	$(call say,GUESTCC,$<)
	$(Q)$(GUEST_CC) $(GUEST_CPPFLAGS) $(GUEST_CFLAGS) -c $< -o $@

$(GUEST_B)/runtime/%.o: $(RUNTIME)/%.S
	@mkdir -p $(@D)
	$(call say,GUESTAS,$<)
	$(Q)$(GUEST_CC) $(GUEST_CPPFLAGS) -c $< -o $@

$(GUEST_B)/runtime/runtime.lds: $(RUNTIME)/runtime.lds.S $(RUNTIME)/layout.h
	@mkdir -p $(@D)
	$(Q)$(GUEST_CC) -E -P -x c $< -o $@

$(GUEST_B)/%.o: tests/guest/%.c
	@mkdir -p $(@D)
	$(call say,GUESTCC,$<)
	$(Q)$(GUEST_CC) $(GUEST_CPPFLAGS) $(GUEST_CFLAGS) -c $< -o $@

$(GUEST_B)/%.elf: $(GUEST_B)/%.o $(RUNTIME_OBJS) $(FRONT_LIB) $(GUEST_B)/runtime/runtime.lds
	$(call say,GUESTLD,$@)
	$(Q)$(GUEST_CC) $(GUEST_LDFLAGS) -Wl,-T,$(GUEST_B)/runtime/runtime.lds $(filter %.o %.a,$^) -o $@

.SECONDARY: $(RUNTIME_OBJS) $(GUEST_NAMES:%=$(GUEST_B)/%.o)
-include $(wildcard $(GUEST_B)/*.d $(GUEST_B)/runtime/*.d)

# Guests that only make sense beside dom0: tests/system/test_domains.py, test_hostile.py, test_frontends.py.
$(foreach g,domu flood front heart,$(GUEST_B)/$g.o): $(GUEST_B)/%.o: tests/system/%.c
	@mkdir -p $(@D)
	$(call say,GUESTCC,$<)
	$(Q)$(GUEST_CC) $(GUEST_CPPFLAGS) $(GUEST_CFLAGS) -c $< -o $@

# Two guests of which one serves the other: tests/bench/measure.py.
$(GUEST_B)/rings.o: tests/bench/rings.c
	@mkdir -p $(@D)
	$(call say,GUESTCC,$<)
	$(Q)$(GUEST_CC) $(GUEST_CPPFLAGS) $(GUEST_CFLAGS) -c $< -o $@

# A guest without even the runtime: tests/system/test_sysctl.py has several of them compete.
$(GUEST_B)/spin.elf: tests/system/spin.S $(GUEST_B)/runtime/runtime.lds
	$(Q)$(GUEST_CC) $(GUEST_CPPFLAGS) $(GUEST_LDFLAGS) -Wl,-T,$(GUEST_B)/runtime/runtime.lds $< -o $@
