# SPDX-License-Identifier: MIT
# xenconsoled, and its tests. Included by tools.mk.

CONSOLE_PURE := ring backlog logfile
CONSOLE_DAEMON := main domains guest viewer hvlog
CONSOLE_OBJ := $(CONSOLE_PURE:%=$(B)/tools/xenconsoled.d/%.o) $(CONSOLE_DAEMON:%=$(B)/tools/xenconsoled.d/%.o) $(COMMON_OBJ)
CONSOLE_CFLAGS := $(filter-out -Idom0-tools/xenstored,$(TOOL_CFLAGS)) -Idom0-tools/libxenctrl

$(B)/tools/xenconsoled.d/%.o: dom0-tools/xenconsoled/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CONSOLE_CFLAGS) -fPIE -MMD -MP -c -o $@ $<
$(B)/tools/xenconsoled.d/xen_files.o: tests/tools/xenconsoled/xen_files.c tests/tools/rundir.h
	@mkdir -p $(@D)
	$(Q)$(CC) $(CONSOLE_CFLAGS) -fPIE -MMD -MP -c -o $@ $<

$(B)/tools/xenconsoled: $(CONSOLE_OBJ) $(B)/tools/xenconsoled.d/xen.o $(B)/tools/libxenctrl.a | $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(TOOL_LDFLAGS) -o $@ $^ -L$(B)/tools -lxenstore -Wl,-rpath,'$$ORIGIN'
$(B)/tools/static/xenconsoled: $(CONSOLE_OBJ) $(B)/tools/xenconsoled.d/xen.o $(B)/tools/libxenctrl.a $(LIB_OBJ)
	@mkdir -p $(@D)
	$(Q)$(CC) -static -Wl,-z,noexecstack -o $@ $^ -pthread
# With files in Xen's place, for tests/tools/test_xenconsoled.py.
$(B)/tools/test/xenconsoled: $(CONSOLE_OBJ) $(B)/tools/xenconsoled.d/xen_files.o $(LIB_OBJ)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(TOOL_LDFLAGS) -o $@ $^ -pthread
-include $(wildcard $(B)/tools/xenconsoled.d/*.d)

# xl console alone.
XLCONSOLE_SRC := tests/tools/xenconsoled/xlconsole.c dom0-tools/xl/console.c
$(B)/tools/test/xlconsole: $(XLCONSOLE_SRC) dom0-tools/xl/console.h $(LIB_OBJ)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CONSOLE_CFLAGS) -static -Wl,-z,noexecstack -o $@ $(filter-out %.h,$^) -pthread

# Debian's xl, our store and our consoles, and a guest to talk to.
CONSOLES_INITRAMFS := $(B)/initramfs-consoles
CONSOLES_PROGRAMS := xl xen-init-dom0 xenconsole
$(CONSOLES_INITRAMFS): scripts/mkinitramfs $(wildcard scripts/initramfs/* scripts/initramfs/*/*) $(DEBIAN_XENSTORE) $(LIB) \
		$(KERNEL) $(STATIC) $(B)/tools/static/xenconsoled $(B)/tools/test/xlconsole $(B)/guest/talk.elf
	scripts/mkinitramfs $@ -m xenfs -m xen_evtchn -m xen_gntdev -m xen_privcmd \
		-a $(B)/tools/static/xenstored=bin/xenstored -a $(B)/tools/static/xenconsoled=bin/xenconsoled-ours \
		-a $(B)/tools/test/xlconsole=bin/xlconsole -a $(B)/guest/talk.elf=boot/talk \
		$(foreach n,$(notdir $(CLIENT_NAMES)),-a $(B)/tools/static/xenstore=bin/$n) \
		$(foreach p,$(CONSOLES_PROGRAMS),-a $(B)/xenstore-debian/usr/lib/xen-4.17/bin/$p=bin/$p) \
		$$(ldd $(CONSOLES_PROGRAMS:%=$(B)/xenstore-debian/usr/lib/xen-4.17/bin/%) | \
			awk '$$2 == "=>" && $$1 != "libxenstore.so.4" { print "-a", $$3 "=lib/x86_64-linux-gnu/" $$1 }' | sort -u) \
		-a $(LIB)=lib/x86_64-linux-gnu/libxenstore.so.4 -a /lib64/ld-linux-x86-64.so.2=lib64/ld-linux-x86-64.so.2
TOOL_TEST_FILES += $(CONSOLES_INITRAMFS)

# Our xl with Linux's backends and our scripts, and a guest with Linux's frontends.
DEVICES_INITRAMFS := $(B)/initramfs-devices
HOTPLUG := $(sort $(wildcard dom0-tools/hotplug/*))
$(B)/devices-guest-initrd: scripts/mkinitramfs scripts/guest-init $(KERNEL)
	scripts/mkinitramfs $@ --guest -m xen_blkfront -m xen_netfront
$(DEVICES_INITRAMFS): scripts/mkinitramfs $(wildcard scripts/initramfs/* scripts/initramfs/*/*) $(KERNEL) $(STATIC) $(HOTPLUG) \
		$(B)/tools/static/xenconsoled $(B)/tools/xl $(B)/devices-guest-initrd
	scripts/mkinitramfs $@ -m xenfs -m xen_evtchn -m xen_gntdev -m xen_privcmd -m xen_blkback -m xen_netback -m loop \
		-m bridge $(TOOLSTACK_FILES) $(foreach f,$(HOTPLUG),-a $f=hotplug/$(notdir $f)) \
		-a $(B)/kernel/vmlinuz=boot/vmlinuz -a $(B)/devices-guest-initrd=boot/guest-initrd
TOOL_TEST_FILES += $(DEVICES_INITRAMFS)

TOOLS += $(B)/tools/xenconsoled
tools: $(B)/tools/xenconsoled
STATIC += $(B)/tools/static/xenconsoled
TOOL_TEST_FILES += $(B)/tools/test/xenconsoled $(B)/tools/test/xlconsole

# --- the pure part under sanitizers -----------------------------------------------------------

CONSOLE_HOST_OBJ := $(CONSOLE_PURE:%=$(H)/xenconsoled.d/%.o)
CONSOLE_HOST_CFLAGS = $(filter-out -Ihypervisor -DXENOLITH_HOST -DXENOLITH_DEBUG -Itests/host,$(HOST_CFLAGS)) -D_GNU_SOURCE \
	-Idom0-tools/xenconsoled
$(H)/xenconsoled.d/%.o: dom0-tools/xenconsoled/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CONSOLE_HOST_CFLAGS) -MMD -MP -c -o $@ $<
$(H)/test_xenconsoled: tests/tools/xenconsoled/test_xenconsoled.c $(CONSOLE_HOST_OBJ)
	$(call say,HOSTLD,$@)
	$(Q)$(CC) $(CONSOLE_HOST_CFLAGS) -o $@ $^ -lcmocka
$(H)/fuzz_xenconsoled: tests/fuzz/fuzz_xenconsoled.c tests/fuzz/replay.c $(CONSOLE_HOST_OBJ)
	$(call say,HOSTLD,$@)
	$(Q)$(CC) $(CONSOLE_HOST_CFLAGS) -O2 -o $@ $^
-include $(CONSOLE_HOST_OBJ:.o=.d)
HOST_TESTS += $(H)/test_xenconsoled
host-tests: $(H)/test_xenconsoled
