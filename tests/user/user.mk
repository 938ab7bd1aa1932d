# SPDX-License-Identifier: MIT
# Rules for the programs that the tests run in dom0: those of tests/user, Linux's own tests of x86, stress-ng.
# Included by the main Makefile. `make initramfs-user` leaves $(B)/initramfs-user, in which tests/system/test_user.py,
# test_selftests.py and test_stress.py boot; the benchmarks' initramfs is another file.

USER_B := $(B)/user
USER_FETCHED := $(USER_B)/linux/Makefile
INITRAMFS_USER := $(B)/initramfs-user
USER_FLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror -Wvla -Wshadow -static -fno-pie -no-pie -pthread

# One program for each file, named NAME_64; those that look at what is different for 32 bits are also built as NAME_32.
USER_BOTH := clocks debugger entry fpu processes segments signals
USER_NAMES := $(basename $(notdir $(wildcard tests/user/*.c)))
USER_PROGRAMS := $(USER_NAMES:%=$(USER_B)/bin/%_64) $(USER_BOTH:%=$(USER_B)/bin/%_32)

# Linux's: the lists are those of its Makefile.
LINUX_BOTH := single_step_syscall sysret_ss_attrs syscall_nt test_mremap_vdso check_initial_reg_state sigreturn iopl \
	ioperm test_vsyscall mov_ss_trap sigtrap_loop syscall_arg_fault fsgsbase_restore sigaltstack ldt_gdt ptrace_syscall
LINUX_32 := entry_from_vm86 test_syscall_vdso unwind_vdso test_FCMOV test_FCOMI test_FISTTP vdso_restorer
LINUX_64 := fsgsbase sysret_rip syscall_numbering corrupt_xstate_header amx
LINUX_TESTS := $(foreach t,$(LINUX_BOTH),$(USER_B)/st/$t_32 $(USER_B)/st/$t_64) $(LINUX_32:%=$(USER_B)/st/%_32) \
	$(LINUX_64:%=$(USER_B)/st/%_64)
# They are dynamic, since some look for the vdso through the C library.
LINUX_FLAGS := -std=gnu99 -O2 -pthread -no-pie -w -DCAN_BUILD_32 -DCAN_BUILD_64

.PHONY: initramfs-user
initramfs-user: $(INITRAMFS_USER)

$(USER_FETCHED): | scripts/fetch
	scripts/fetch user

$(USER_B)/bin/%_64: tests/user/%.c tests/user/tap.h | $(USER_FETCHED)
	@mkdir -p $(@D)
	$(call say,USERCC,$@)
	$(Q)$(CC) $(USER_FLAGS) -m64 $< -o $@

$(USER_B)/bin/%_32: tests/user/%.c tests/user/tap.h | $(USER_FETCHED)
	@mkdir -p $(@D)
	$(call say,USERCC,$@)
	$(Q)$(CC) $(USER_FLAGS) -m32 -msse2 $< -o $@

$(USER_B)/st/sysret_ss_attrs_64: LINUX_MORE := $(USER_B)/linux/thunks.S
$(USER_B)/st/ptrace_syscall_32: LINUX_MORE := $(USER_B)/linux/raw_syscall_helper_32.S
$(USER_B)/st/test_syscall_vdso_32: LINUX_MORE := $(USER_B)/linux/thunks_32.S
# It has its own entry, and must be static: an interpreter would destroy the registers it looks at.
$(USER_B)/st/check_initial_reg_state_%: LINUX_MORE := -Wl,-ereal_start -static

$(USER_B)/st/%_32: $(USER_FETCHED)
	@mkdir -p $(@D)
	$(call say,USERCC,$@)
	$(Q)$(CC) $(LINUX_FLAGS) -m32 -s $(USER_B)/linux/$*.c $(LINUX_MORE) -o $@ -lrt -ldl -lm

$(USER_B)/st/%_64: $(USER_FETCHED)
	@mkdir -p $(@D)
	$(call say,USERCC,$@)
	$(Q)$(CC) $(LINUX_FLAGS) -m64 -s $(USER_B)/linux/$*.c $(LINUX_MORE) -o $@ -lrt -ldl

USER_STEPS := $(wildcard tests/user/initramfs/test/*)
$(INITRAMFS_USER): scripts/mkinitramfs $(INITRAMFS) $(USER_STEPS) $(USER_PROGRAMS) $(LINUX_TESTS)
	$(call say,PACK,$@)
	$(Q)scripts/mkinitramfs $@ -r $(USER_B)/root -a $(USER_B)/root/usr/bin/stress-ng=bin/stress-ng \
		$(foreach f,$(USER_STEPS),-a $f=test/$(notdir $f)) \
		$(foreach f,$(USER_PROGRAMS),-a $f=user/$(notdir $f)) $(foreach f,$(LINUX_TESTS),-a $f=st/$(notdir $f))
