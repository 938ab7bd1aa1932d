# SPDX-License-Identifier: MIT
# libxenctrl and the domain builder, both static libraries for dom0's programs. Included by the main Makefile.

XENCTRL_SRC := $(wildcard dom0-tools/libxenctrl/*.c)
XENCTRL_OBJ := $(XENCTRL_SRC:dom0-tools/%.c=$(B)/tools/lib.d/%.o)
XENCTRL := $(B)/tools/libxenctrl.a

$(XENCTRL_OBJ): $(B)/tools/lib.d/%.o: dom0-tools/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(TOOL_CFLAGS) -fPIE -MMD -MP -c -o $@ $<
$(XENCTRL): $(XENCTRL_OBJ)
	$(Q)rm -f $@ && ar rcs $@ $^
-include $(XENCTRL_OBJ:.o=.d)

# --- the domain builder; boot/elf.c and boot/bzimage.c are the hypervisor's own -------------------------------

BUILDER_PURE := kernel layout direct
BUILDER_CFLAGS = $(TOOL_CFLAGS) -DXENOLITH_HOST -Ihypervisor
BUILDER_OBJ := $(patsubst dom0-tools/%.c,$(B)/tools/lib.d/%.o,$(wildcard dom0-tools/domain-builder/*.c)) \
	$(B)/tools/lib.d/boot/elf.o $(B)/tools/lib.d/boot/bzimage.o
BUILDER := $(B)/tools/libdomain-builder.a
BUILDER_LIBS := -ldeflate -llzma -lzstd -llz4

$(B)/tools/lib.d/domain-builder/%.o: dom0-tools/domain-builder/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(BUILDER_CFLAGS) -fPIE -MMD -MP -c -o $@ $<
$(B)/tools/lib.d/boot/%.o: hypervisor/boot/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(BUILDER_CFLAGS) -fPIE -MMD -MP -c -o $@ $<
$(BUILDER): $(BUILDER_OBJ)
	$(Q)rm -f $@ && ar rcs $@ $^
-include $(BUILDER_OBJ:.o=.d)

# --- tests: the pure parts, and loading into a guest that is a file in memory, under sanitizers --------------------

BUILDER_HOST_CFLAGS = $(HOST_CFLAGS) -D_GNU_SOURCE -Idom0-tools/domain-builder -Idom0-tools
BUILDER_HOST_OBJ := $(patsubst %,$(H)/builder.d/%.o,$(BUILDER_PURE) load)
BUILDER_TESTS := $(patsubst tests/builder/%.c,$(H)/%,$(wildcard tests/builder/test_*.c))
HOST_TESTS += $(BUILDER_TESTS)
host-tests: $(BUILDER_TESTS)

$(BUILDER_HOST_OBJ): $(H)/builder.d/%.o: dom0-tools/domain-builder/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(BUILDER_HOST_CFLAGS) -MMD -MP -c -o $@ $<
$(H)/libbuilder.a: $(BUILDER_HOST_OBJ)
	$(Q)rm -f $@ && ar rcs $@ $^
$(BUILDER_TESTS): $(H)/%: tests/builder/%.c $(H)/libbuilder.a $(H)/libpure.a
	$(call say,HOSTLD,$@)
	$(Q)$(CC) $(BUILDER_HOST_CFLAGS) -MMD -MP -o $@ $(filter %.c %.o %.a,$^) $(BUILDER_LIBS) -lcmocka
$(H)/fuzz_kernel: tests/fuzz/fuzz_kernel.c tests/fuzz/replay.c $(wildcard tests/builder/*.h) $(H)/libbuilder.a $(H)/libpure.a
	$(call say,HOSTLD,$@)
	$(Q)$(CC) $(filter-out -fsanitize-coverage=%,$(BUILDER_HOST_CFLAGS)) -O2 -o $@ $(filter %.c %.o %.a,$^) $(BUILDER_LIBS)
-include $(BUILDER_HOST_OBJ:.o=.d) $(BUILDER_TESTS:=.d)

# --- in a machine: all our tools, guests for them, and small things to say no to -------------------------------------

GUESTS_INITRAMFS := $(B)/initramfs-guests
GUEST_INITRD := $(B)/guest-initrd

$(GUEST_INITRD): scripts/mkinitramfs scripts/guest-init $(KERNEL)
	scripts/mkinitramfs $@ --guest
$(B)/kernel/vmlinux.gz: $(KERNEL)
	gzip -9n <$< >$@
$(B)/tools/static/xl: $(B)/tools/xl
	@mkdir -p $(@D)
	$(Q)strip -o $@ $<
# A disk from which Debian's GRUB for PV guests starts Debian's kernel.
PVGRUB := $(B)/xenstore-debian/usr/lib/grub-xen/grub-x86_64-xen.bin
$(PVGRUB): scripts/fetch-xenstore
	scripts/fetch-xenstore
	@touch $@
$(B)/guest-disk: $(GUEST_INITRD) $(KERNEL) tests/system/guest-grub.cfg
	$(Q)rm -f $@ && mformat -C -T 32768 -h 2 -s 32 -i $@ ::
	$(Q)mmd -i $@ ::/boot ::/boot/grub && mcopy -i $@ tests/system/guest-grub.cfg ::/boot/grub/grub.cfg
	$(Q)mcopy -i $@ $(B)/kernel/vmlinuz ::/vmlinuz && mcopy -i $@ $(GUEST_INITRD) ::/initrd
$(B)/run_count: tests/bench/run_count.c
	$(Q)$(CC) -std=gnu11 -O2 -g $(WARN) -static -o $@ $<
$(B)/tools/test/kill_at: tests/tools/kill_at.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(TOOL_CFLAGS) -static -o $@ $<
TINY_GUESTS := talk domu flood heart
GUESTS_FILES = $(TOOLSTACK_FILES) -m xenfs -m xen_evtchn -m xen_gntdev -m xen_privcmd -m xen_blkback -m loop -m xen_netback -m bridge \
	$(foreach f,$(wildcard dom0-tools/hotplug/*),-a $f=hotplug/$(notdir $f)) -a $(B)/tools/test/kill_at=bin/kill_at \
	-a $(B)/run_count=bin/run_count -a $(B)/tools/static/xenstore-control=bin/xenstore-control \
	-a $(PVGRUB)=boot/pvgrub -a $(B)/guest-disk=boot/guest-disk \
	$(foreach g,$(TINY_GUESTS),-a $(B)/guest/$g.elf=boot/$g) -a $(GUEST_INITRD)=boot/guest-initrd \
	-a $(B)/kernel/vmlinuz=boot/vmlinuz -a $(B)/kernel/vmlinux.gz=boot/vmlinux.gz
$(GUESTS_INITRAMFS): $(GUEST_INITRD) $(B)/guest-disk $(PVGRUB) $(B)/kernel/vmlinux.gz $(STATIC) $(B)/tools/static/xl $(B)/tools/static/xenconsoled \
		$(TINY_GUESTS:%=$(B)/guest/%.elf) $(B)/run_count $(B)/tools/test/kill_at $(wildcard dom0-tools/hotplug/*) scripts/mkinitramfs $(wildcard scripts/initramfs/* scripts/initramfs/*/*)
	scripts/mkinitramfs $@ $(GUESTS_FILES)
# With Debian's newer kernel as a further guest; the full form of test_create.py asks for it.
$(B)/newer/vmlinuz: scripts/fetch
	scripts/fetch newer
	@touch $@
$(B)/initramfs-newer: $(GUESTS_INITRAMFS) $(B)/newer/vmlinuz
	scripts/mkinitramfs $@ $(GUESTS_FILES) -a $(B)/newer/vmlinuz=boot/vmlinuz-newer
TOOL_TEST_FILES += $(GUESTS_INITRAMFS)
