# SPDX-License-Identifier: MIT
# xl. The parsers are pure and are built once more with sanitizers for the unit tests and the fuzzer.

XL_PURE := report lang config config_devices config_json config_sxp json saved cpus disk vif conf
XL_HOST_OBJ := $(XL_PURE:%=$(H)/xl.d/%.o)
XL_TESTS := $(patsubst tests/xl/%.c,$(H)/%,$(wildcard tests/xl/test_*.c))
HOST_TESTS += $(XL_TESTS)
host-tests: $(XL_TESTS)

$(H)/xl.d/%.o: dom0-tools/xl/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(STORE_HOST_CFLAGS) -MMD -MP -c -o $@ $<
$(H)/libxl.a: $(XL_HOST_OBJ)
	$(Q)rm -f $@ && ar rcs $@ $^
$(XL_TESTS): $(H)/%: tests/xl/%.c $(H)/libxl.a
	$(call say,HOSTLD,$@)
	$(Q)$(CC) $(STORE_HOST_CFLAGS) -Idom0-tools/xl -o $@ $< $(H)/libxl.a -l:libyajl_s.a -lcmocka
$(H)/fuzz_xlconfig: tests/fuzz/fuzz_xlconfig.c tests/fuzz/replay.c $(H)/libxl.a
	$(call say,HOSTLD,$@)
	$(Q)$(CC) $(filter-out -fsanitize-coverage=%,$(STORE_HOST_CFLAGS)) -Idom0-tools/xl -O2 -o $@ \
		tests/fuzz/fuzz_xlconfig.c tests/fuzz/replay.c $(H)/libxl.a -l:libyajl_s.a
-include $(XL_HOST_OBJ:.o=.d)

# --- the program: one piece without libraries, for half of what a verb costs would else be their loading --------

XL_SRC := $(wildcard dom0-tools/xl/*.c)
XL_OBJ := $(XL_SRC:dom0-tools/xl/%.c=$(B)/tools/xl.d/%.o)
XL := $(B)/tools/xl
TOOLS += $(XL)
tools: $(XL)

$(B)/tools/xl.d/%.o: dom0-tools/xl/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(TOOL_CFLAGS) -MMD -MP -c -o $@ $<
$(XL): $(XL_OBJ) $(BUILDER) $(XENCTRL) $(LIB_OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) -static -Wl,-z,noexecstack -o $@ $(XL_OBJ) $(BUILDER) $(XENCTRL) $(LIB_OBJ) \
		$(BUILDER_LIBS) -l:libyajl_s.a -l:libncurses.a -l:libtinfo.a -pthread
-include $(XL_OBJ:.o=.d)

# --- tests ----------------------------------------------------------------------------------------------------------

# Debian's xl makes dry runs of configurations on a Linux without Xen, to compare ours with.
$(B)/tools/test/fake_xenctrl.so: tests/tools/fake_xenctrl.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O2 -Wall -Wextra -Werror -Wno-unused-parameter -shared -fPIC -o $@ $<
TOOL_TEST_FILES += $(B)/tools/test/fake_xenctrl.so

# Both xl in a machine: ours, and Debian's with its libraries (but for libxenstore, which is ours).
XL_COMPARE := $(B)/initramfs-xl-compare
XL_DEBIAN := $(B)/xenstore-debian/usr/lib/xen-4.17/bin
$(B)/tools/test/core-compare: tests/xl/core_compare.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(TOOL_CFLAGS) -static -o $@ $<
$(XL_COMPARE): $(B)/tools/test/core-compare $(B)/run_count $(TOOLS_INITRAMFS) $(XL) $(STATIC) $(LIB) $(DEBIAN_XENSTORE) $(KERNEL) scripts/mkinitramfs $(wildcard scripts/initramfs/*/*)
	scripts/mkinitramfs $@ -m xenfs -m xen_evtchn -m xen_gntdev -m xen_privcmd \
		-a $(B)/tools/static/xenstored=bin/xenstored \
		$(foreach n,$(notdir $(CLIENT_NAMES)),-a $(B)/tools/static/xenstore=bin/$n) \
		-a $(XL)=bin/xl -a $(XL_DEBIAN)/xl=bin/xl.debian \
		-a $(XL_DEBIAN)/xen-init-dom0=bin/xen-init-dom0 -a $(XL_DEBIAN)/xenconsoled=bin/xenconsoled \
		$$(ldd $(XL_PROGRAMS:%=$(XL_DEBIAN)/%) | \
			awk '$$2 == "=>" && $$1 != "libxenstore.so.4" { print "-a", $$3 "=lib/x86_64-linux-gnu/" $$1 }' | sort -u) \
		-a $(LIB)=lib/x86_64-linux-gnu/libxenstore.so.4 -a /lib64/ld-linux-x86-64.so.2=lib64/ld-linux-x86-64.so.2 \
		-a $(B)/tools/test/core-compare=bin/core-compare -a $(B)/run_count=bin/run_count \
		-a /lib/terminfo/l/linux=lib/terminfo/l/linux \
		-a $(B)/kernel/vmlinuz=boot/vmlinuz -a $(TOOLS_INITRAMFS)=boot/initrd
TOOL_TEST_FILES += $(XL_COMPARE)

# Two toolstacks beside each other, each with its own library (and libgcc_s, which pthread_cancel() loads).
MATRIX := $(B)/initramfs-matrix
MATRIX_DEBIAN := xl xen-init-dom0 xenconsoled xenstored
$(B)/matrix-guest-initrd: scripts/mkinitramfs scripts/guest-init tests/system/matrix-guest $(KERNEL)
	scripts/mkinitramfs $@ --guest -m xen_blkfront -m xen_netfront -a tests/system/matrix-guest=bin/use-devices
$(MATRIX): $(XL) $(STATIC) $(B)/tools/static/xl $(B)/tools/static/xenconsoled $(DEBIAN_XENSTORE) $(KERNEL) $(HOTPLUG) \
		$(B)/matrix-guest-initrd tests/system/matrix-setup tests/system/matrix-watch scripts/mkinitramfs $(wildcard scripts/initramfs/* scripts/initramfs/*/*)
	scripts/mkinitramfs $@ $(foreach m,xenfs xen_evtchn xen_gntdev xen_privcmd xen_blkback xen_netback loop bridge,-m $m) \
		$(foreach p,xl xenstored xenconsoled,-a $(B)/tools/static/$p=ours/$p) -a dom0-tools/systemd/xen-init-dom0=ours/xen-init-dom0 \
		$(foreach n,$(notdir $(CLIENT_NAMES)),-a $(B)/tools/static/xenstore=ours/$n -a $(DEBIAN_XENSTORE)=debian/$n) \
		$(foreach p,$(MATRIX_DEBIAN),-a $(XL_DEBIAN)/$p=debian/$p) -a $(XL_DEBIAN)/xenconsole=usr/lib/xen-4.17/bin/xenconsole \
		$(foreach f,$(HOTPLUG),-a $f=hotplug/$(notdir $f)) -a tests/system/matrix-setup=bin/matrix-setup -a tests/system/matrix-watch=bin/watch-twice \
		-a $(shell $(CC) -print-file-name=libgcc_s.so.1)=lib/x86_64-linux-gnu/libgcc_s.so.1 \
		-a $(B)/kernel/vmlinuz=boot/vmlinuz -a $(B)/matrix-guest-initrd=boot/guest-initrd
TOOL_TEST_FILES += $(MATRIX)
