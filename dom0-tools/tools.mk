# SPDX-License-Identifier: MIT
# dom0's programs: xenstored, libxenstore, the xenstore clients. Included by the main Makefile; B is the build folder.
#
# build/tools/ holds what dom0 gets. build/tools/test/xenstored has files in Xen's place and can be told where to die
# (tests/tools); the pure part is built once more with sanitizers for the unit tests, the model and the fuzzer.

TOOL_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O2 -g -Iinclude -Idom0-tools/xenstored $(WARN) \
	-fstack-protector-strong -D_FORTIFY_SOURCE=2 -fstack-clash-protection -fno-strict-aliasing -fvisibility=hidden
TOOL_LDFLAGS := -Wl,-z,relro,-z,now,-z,noexecstack -pie

STORE_PURE := tree path perms watch change txn domain output journal control request store
STORE_DAEMON := main keeper worker link commit log
COMMON_OBJ := $(B)/tools/common.d/daemon.o
STORE_OBJ := $(STORE_PURE:%=$(B)/tools/xenstored.d/%.o) $(STORE_DAEMON:%=$(B)/tools/xenstored.d/%.o) $(COMMON_OBJ)
STORE_TEST_OBJ := $(STORE_PURE:%=$(B)/tools/xenstored.d/%.o) $(STORE_DAEMON:%=$(B)/tools/test.d/%.o) $(COMMON_OBJ)
TOOLS := $(B)/tools/xenstored

.PHONY: tools

$(B)/tools/xenstored.d/%.o: dom0-tools/xenstored/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(TOOL_CFLAGS) -fPIE -MMD -MP -c -o $@ $<
$(B)/tools/common.d/%.o: dom0-tools/common/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(TOOL_CFLAGS) -fPIE -MMD -MP -c -o $@ $<
$(B)/tools/test.d/%.o: dom0-tools/xenstored/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(TOOL_CFLAGS) -DXENSTORED_TEST -fPIE -MMD -MP -c -o $@ $<
$(B)/tools/test.d/xen_files.o: tests/tools/xen_files.c tests/tools/rundir.h
	@mkdir -p $(@D)
	$(Q)$(CC) $(TOOL_CFLAGS) -fPIE -MMD -MP -c -o $@ $<

$(B)/tools/xenstored: $(STORE_OBJ) $(B)/tools/xenstored.d/xen.o
	$(call say,LD,$@)
	$(Q)$(CC) $(TOOL_LDFLAGS) -o $@ $^
$(B)/tools/test/xenstored: $(STORE_TEST_OBJ) $(B)/tools/test.d/xen_files.o
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(TOOL_LDFLAGS) -o $@ $^

-include $(STORE_OBJ:.o=.d) $(STORE_TEST_OBJ:.o=.d) $(B)/tools/test.d/xen_files.d

# --- libxenstore: SONAME and symbol version of Xen 4.17's ---------------------------------

LIB_SRC := $(wildcard dom0-tools/libxenstore/*.c)
LIB_OBJ := $(LIB_SRC:dom0-tools/libxenstore/%.c=$(B)/tools/libxenstore.d/%.o)
LIB := $(B)/tools/libxenstore.so.4.0
TOOLS += $(LIB)

$(B)/tools/libxenstore.d/%.o: dom0-tools/libxenstore/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(TOOL_CFLAGS) -fvisibility=default -fPIC -pthread -MMD -MP -c -o $@ $<
$(LIB): $(LIB_OBJ) dom0-tools/libxenstore/libxenstore.map
	$(call say,LD,$@)
	$(Q)$(CC) -shared -Wl,-soname,libxenstore.so.4 -Wl,--version-script,dom0-tools/libxenstore/libxenstore.map \
		-Wl,-z,relro,-z,now,-z,noexecstack,-z,nodelete -o $@ $(LIB_OBJ)
	$(Q)ln -sf $(@F) $(@D)/libxenstore.so.4 && ln -sf $(@F) $(@D)/libxenstore.so

-include $(LIB_OBJ:.o=.d)

# --- the clients: one program under nine names, and xenstore-control -----------------------

CLIENT_NAMES := $(addprefix xenstore-,read write rm exists list ls chmod watch)
CLIENTS := $(B)/tools/xenstore $(CLIENT_NAMES:%=$(B)/tools/%) $(B)/tools/xenstore-control
TOOLS += $(CLIENTS)

$(B)/tools/xenstore.d/%.o: dom0-tools/xenstore/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(TOOL_CFLAGS) -fPIE -MMD -MP -c -o $@ $<
$(B)/tools/xenstore: $(B)/tools/xenstore.d/client.o $(B)/tools/xenstore.d/text.o | $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(TOOL_LDFLAGS) -o $@ $^ -L$(B)/tools -lxenstore -Wl,-rpath,'$$ORIGIN'
$(B)/tools/xenstore-control: $(B)/tools/xenstore.d/control.o | $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(TOOL_LDFLAGS) -o $@ $^ -L$(B)/tools -lxenstore -Wl,-rpath,'$$ORIGIN'
$(CLIENT_NAMES:%=$(B)/tools/%): $(B)/tools/xenstore
	$(Q)ln -f $< $@

-include $(wildcard $(B)/tools/xenstore.d/*.d)

# Last, so that it has all of the list.
tools: $(TOOLS)

# --- tests: the store on its own under sanitizers; programs against each other in tests/tools/test_*.py ------

STORE_HOST_OBJ := $(STORE_PURE:%=$(H)/store.d/%.o)
STORE_HOST_CFLAGS = $(filter-out -Ihypervisor -DXENOLITH_HOST -DXENOLITH_DEBUG,$(HOST_CFLAGS)) -D_GNU_SOURCE
STORE_TESTS := $(patsubst tests/tools/%.c,$(H)/%,$(wildcard tests/tools/test_*.c tests/tools/model_*.c))
HOST_TESTS += $(STORE_TESTS)
host-tests: $(STORE_TESTS)

$(H)/store.d/%.o: dom0-tools/xenstored/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(STORE_HOST_CFLAGS) -MMD -MP -c -o $@ $<
$(H)/libstore.a: $(STORE_HOST_OBJ)
	$(Q)rm -f $@ && ar rcs $@ $^
$(STORE_TESTS): $(H)/%: tests/tools/%.c tests/tools/store_driver.h $(H)/libstore.a
	$(call say,HOSTLD,$@)
	$(Q)$(CC) $(STORE_HOST_CFLAGS) -o $@ $< $(H)/libstore.a -lcmocka
$(H)/fuzz_xenstored: tests/fuzz/fuzz_xenstored.c tests/fuzz/replay.c tests/tools/store_driver.h $(H)/libstore.a
	$(call say,HOSTLD,$@)
	$(Q)$(CC) $(STORE_HOST_CFLAGS) -O2 -o $@ $< tests/fuzz/replay.c $(H)/libstore.a

-include $(STORE_HOST_OBJ:.o=.d)

# Debian's programs to compare with, and what lets its daemon run without Xen.
DEBIAN_XENSTORE := $(B)/xenstore-debian/usr/bin/xenstore
$(DEBIAN_XENSTORE): scripts/fetch-xenstore
	scripts/fetch-xenstore
	@touch $@
# Its functions are libxen-dev's; only their names matter here.
$(B)/tools/test/fake_xen.so: tests/tools/fake_xen.c tests/tools/rundir.h
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O2 -Wall -Wextra -Werror -Wno-unused-parameter -shared -fPIC -o $@ $<

TOOL_TESTS := $(sort $(wildcard tests/tools/test_*.py))
TOOL_TEST_FILES := $(B)/tools/test/xenstored $(B)/tools/test/fake_xen.so $(DEBIAN_XENSTORE)

# --- in a machine: all in one piece each, for an initramfs without libraries ----------------

STATIC := $(B)/tools/static/xenstored $(B)/tools/static/xenstore $(B)/tools/static/xenstore-control \
	$(B)/tools/static/xenstore_bench
$(B)/tools/static/xenstored: $(STORE_OBJ) $(B)/tools/xenstored.d/xen.o
	@mkdir -p $(@D)
	$(Q)$(CC) -static -Wl,-z,noexecstack -o $@ $^
$(B)/tools/static/xenstore: $(B)/tools/xenstore.d/client.o $(B)/tools/xenstore.d/text.o $(LIB_OBJ)
	@mkdir -p $(@D)
	$(Q)$(CC) -static -Wl,-z,noexecstack -o $@ $^ -pthread
$(B)/tools/static/xenstore-control: $(B)/tools/xenstore.d/control.o $(LIB_OBJ)
	@mkdir -p $(@D)
	$(Q)$(CC) -static -Wl,-z,noexecstack -o $@ $^ -pthread

$(B)/tools/static/xenstore_bench: tests/bench/xenstore_bench.c $(LIB_OBJ)
	@mkdir -p $(@D)
	$(Q)$(CC) $(TOOL_CFLAGS) -static -Wl,-z,noexecstack -o $@ $^ -pthread

# The toolstack for dom0 as mkinitramfs is told of it; who uses it names $(STATIC) and $(XL) as what it is made from.
TOOLSTACK_FILES = -a $(XL)=bin/xl $(foreach p,xenstored xenconsoled,-a $(B)/tools/static/$p=bin/$p) \
	$(foreach n,$(notdir $(CLIENT_NAMES)),-a $(B)/tools/static/xenstore=bin/$n)

TOOLS_INITRAMFS := $(B)/initramfs-tools
$(TOOLS_INITRAMFS): scripts/mkinitramfs $(wildcard scripts/initramfs/* scripts/initramfs/*/*) $(KERNEL) $(STATIC)
	scripts/mkinitramfs $@ -m xenfs -m xen_evtchn -m xen_gntdev -m xen_privcmd \
		-a $(B)/tools/static/xenstored=bin/xenstored \
		$(foreach n,$(notdir $(CLIENT_NAMES)),-a $(B)/tools/static/xenstore=bin/$n) \
		-a $(B)/tools/static/xenstore-control=bin/xenstore-control \
		-a $(B)/tools/static/xenstore_bench=bin/xenstore-bench
TOOL_TEST_FILES += $(TOOLS_INITRAMFS)

# Debian's xl with our library and daemon, and a guest for it: the kernel, and the initramfs above.
XL_PROGRAMS := xl xen-init-dom0 xenconsoled
XL_INITRAMFS := $(B)/initramfs-xl
$(XL_INITRAMFS): $(TOOLS_INITRAMFS) $(DEBIAN_XENSTORE) $(LIB) $(B)/guest/spin.elf $(B)/guest/domu.elf
	scripts/mkinitramfs $@ -m xenfs -m xen_evtchn -m xen_gntdev -m xen_privcmd \
		-a $(B)/tools/static/xenstored=bin/xenstored \
		$(foreach n,$(notdir $(CLIENT_NAMES)),-a $(B)/tools/static/xenstore=bin/$n) \
		-a $(B)/tools/static/xenstore-control=bin/xenstore-control \
		$(foreach p,$(XL_PROGRAMS),-a $(B)/xenstore-debian/usr/lib/xen-4.17/bin/$p=bin/$p) \
		$$(ldd $(XL_PROGRAMS:%=$(B)/xenstore-debian/usr/lib/xen-4.17/bin/%) | \
			awk '$$2 == "=>" && $$1 != "libxenstore.so.4" { print "-a", $$3 "=lib/x86_64-linux-gnu/" $$1 }' | sort -u) \
		-a $(LIB)=lib/x86_64-linux-gnu/libxenstore.so.4 -a /lib64/ld-linux-x86-64.so.2=lib64/ld-linux-x86-64.so.2 \
		-a $(B)/kernel/vmlinuz=boot/vmlinuz -a $(TOOLS_INITRAMFS)=boot/initrd -a $(B)/guest/spin.elf=boot/spin \
		-a $(B)/guest/domu.elf=boot/domu
TOOL_TEST_FILES += $(XL_INITRAMFS)

$(B)/tools/test/library_check: tests/tools/library_check.c | $(LIB)
	@mkdir -p $(@D)
	$(Q)$(CC) $(TOOL_CFLAGS) -o $@ $< -L$(B)/tools -lxenstore -pthread
TOOL_TEST_FILES += $(B)/tools/test/library_check

include dom0-tools/console.mk
include dom0-tools/install.mk
