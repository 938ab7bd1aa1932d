# SPDX-License-Identifier: MIT
# netback: the worker, its unit tests and fuzzer, and the machine that tests it. Included by ../backend.mk.

NETBACK_PURE := protocol headers rate
NETBACK_SRC := $(addprefix backend-drivers/netback/,main queue $(NETBACK_PURE)) $(WORKER_COMMON)

$(B)/tools/netback: $(call backend_objects,backend.d,$(NETBACK_SRC))
	$(call say,LD,$@)
	$(Q)$(CC) $(BACKEND_LINK) -o $@ $^ -lseccomp -pthread
$(B)/tools/test/netback: $(call backend_objects,backend-test.d,$(NETBACK_SRC))
	@mkdir -p $(@D)
	$(Q)$(CC) $(BACKEND_LINK) -o $@ $^ -lseccomp -pthread

# --- the pure part under sanitizers ------------------------------------------------------------

NETBACK_HOST_OBJ := $(NETBACK_PURE:%=$(H)/netback.d/%.o)
NETBACK_HOST_CFLAGS = $(filter-out -Ihypervisor -DXENOLITH_HOST -DXENOLITH_DEBUG -Itests/host,$(HOST_CFLAGS)) -D_GNU_SOURCE \
	-Ibackend-drivers/netback
$(H)/netback.d/%.o: backend-drivers/netback/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(NETBACK_HOST_CFLAGS) -MMD -MP -c -o $@ $<
$(H)/test_netback: tests/tools/netback/test_netback.c $(NETBACK_HOST_OBJ)
	$(call say,HOSTLD,$@)
	$(Q)$(CC) $(NETBACK_HOST_CFLAGS) -o $@ $^ -lcmocka
$(H)/fuzz_netback: tests/fuzz/fuzz_netback.c tests/fuzz/replay.c $(NETBACK_HOST_OBJ)
	$(call say,HOSTLD,$@)
	$(Q)$(CC) $(NETBACK_HOST_CFLAGS) -O2 -o $@ $^
-include $(NETBACK_HOST_OBJ:.o=.d)
HOST_TESTS += $(H)/test_netback
host-tests: $(H)/test_netback

# --- in a machine: our xl and backendd in dom0, guests of the stock kernel ------------------------

$(B)/tools/test/netload: tests/tools/netback/netload.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(TOOL_CFLAGS) -static -Wl,-z,noexecstack -o $@ $<
# A frontend that breaks the rules.
$(B)/tools/test/net_hostile: tests/system/hostile.h
$(B)/tools/test/net_hostile: tests/system/net_hostile.c $(LIB_OBJ)
	@mkdir -p $(@D)
	$(Q)$(CC) $(TOOL_CFLAGS) -static -pthread -Wl,-z,noexecstack -o $@ $(filter-out %.h,$^)
$(B)/netback-guest-initrd: scripts/mkinitramfs scripts/guest-init $(KERNEL) $(B)/tools/test/netload $(B)/tools/test/net_hostile
	scripts/mkinitramfs $@ --guest -m xen_netfront -m xenfs -m xen_evtchn -m xen_gntalloc \
		-a $(B)/tools/test/netload=bin/netload -a $(B)/tools/test/net_hostile=bin/net_hostile
NETBACK_INITRAMFS := $(B)/initramfs-netback
$(NETBACK_INITRAMFS): scripts/mkinitramfs $(wildcard scripts/initramfs/* scripts/initramfs/*/*) $(KERNEL) $(STATIC) $(HOTPLUG) \
		$(B)/tools/static/xenconsoled $(XL) $(B)/tools/backendd $(B)/tools/netback \
		$(B)/tools/test/backendd $(B)/tools/test/netback $(B)/tools/test/netload \
		$(B)/netback-guest-initrd
	scripts/mkinitramfs $@ -m xenfs -m xen_evtchn -m xen_gntdev -m xen_gntalloc -m xen_privcmd -m tun -m bridge -m xen_netback \
		$(TOOLSTACK_FILES) -a $(B)/tools/backendd=bin/backendd \
		-a $(B)/tools/netback=libexec/netback -a $(B)/tools/test/backendd=bin/backendd-test \
		-a $(B)/tools/test/netback=libexec-test/netback -a $(B)/tools/test/netload=bin/netload \
		$(foreach f,$(HOTPLUG),-a $f=hotplug/$(notdir $f)) \
		-a $(B)/kernel/vmlinuz=boot/vmlinuz -a $(B)/netback-guest-initrd=boot/guest-initrd
TOOL_TEST_FILES += $(NETBACK_INITRAMFS)

# A driver domain, and a guest that it serves; both are guests of dom0's.
DRIVER_INITRAMFS := $(B)/initramfs-driver
$(B)/driver-initrd: scripts/mkinitramfs scripts/guest-init $(KERNEL) $(STATIC) $(XL) $(BACKENDS) $(B)/tools/test/netload $(HOTPLUG)
	scripts/mkinitramfs $@ --guest -m xenfs -m xen_evtchn -m xen_gntdev -m xen_gntalloc -m xen_privcmd -m loop -m tun -m bridge \
		-m xen_blkback -m xen_netback -a $(XL)=bin/xl -a $(B)/tools/backendd=bin/backendd \
		$(foreach p,blkback netback,-a $(B)/tools/$p=libexec/$p) -a $(B)/tools/test/netload=bin/netload \
		$(foreach f,$(HOTPLUG),-a $f=hotplug/$(notdir $f)) $(foreach n,$(notdir $(CLIENT_NAMES)),-a $(B)/tools/static/xenstore=bin/$n)
$(B)/driver-guest-initrd: scripts/mkinitramfs scripts/guest-init $(KERNEL) $(B)/tools/test/netload $(B)/tools/test/blk_load
	scripts/mkinitramfs $@ --guest -m xen_blkfront -m xen_netfront -a $(B)/tools/test/netload=bin/netload \
		-a $(B)/tools/test/blk_load=bin/blk_load
$(DRIVER_INITRAMFS): scripts/mkinitramfs $(wildcard scripts/initramfs/* scripts/initramfs/*/*) $(KERNEL) $(STATIC) \
		$(B)/tools/static/xenconsoled $(XL) $(B)/driver-initrd $(B)/driver-guest-initrd
	scripts/mkinitramfs $@ -m xenfs -m xen_evtchn -m xen_gntdev -m xen_privcmd \
		$(TOOLSTACK_FILES) \
		-a $(B)/kernel/vmlinuz=boot/vmlinuz -a $(B)/driver-initrd=boot/driver-initrd -a $(B)/driver-guest-initrd=boot/guest-initrd
TOOL_TEST_FILES += $(DRIVER_INITRAMFS)
