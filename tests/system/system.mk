# SPDX-License-Identifier: MIT
# Rules for whole machines: make run, test, test-all, fetch, setup, initramfs. Included by the main Makefile;
# B is the build folder, $(B)/xenolith the hypervisor, HOST_TESTS the host's unit tests (cmocka programs).
#
# HV=xen or HV=bare runs the same on Debian's Xen or on the kernel alone. RUN="--memory 2G ..." are further options of
# scripts/run-qemu for `make run`; TESTS="tests/system/test_boot.py ..." runs only those.

HV ?= xenolith
SYSTEM_TESTS := $(sort $(wildcard tests/system/test_*.py)) $(TOOL_TESTS) tests/bench/test_bars.py tests/fuzz/test_replay.py tests/mutants/test_mutants.py
TESTS ?= $(HOST_TESTS) $(SYSTEM_TESTS)
HV_IMAGE := $(if $(filter xenolith,$(HV)),$(B)/xenolith)
INITRAMFS := $(B)/initramfs
MACHINE_FILES := $(HV_IMAGE) $(INITRAMFS) $(KERNEL) $(B)/crossings.so

# Packages come before any rule needs a compiler: while the Makefile is read.
ifneq ($(filter run test test-all bench setup,$(MAKECMDGOALS)),)
ifneq ($(shell scripts/setup >&2 && echo good),good)
$(error scripts/setup could not install what is missing; its message is above)
endif
endif

.PHONY: setup fetch initramfs run test test-all bench size
setup:
	@echo "all packages are there"

fetch: $(KERNEL)
initramfs: $(INITRAMFS)

$(KERNEL) $(B)/busybox $(B)/xen &: scripts/fetch scripts/vmlinux
	scripts/fetch
	@touch $(KERNEL) $(B)/busybox $(B)/xen

$(B)/linux_bench: tests/bench/linux_bench.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Werror -Wvla -Wshadow -static -pthread $< -o $@

# A plugin of QEMU, which finds its own functions in the program that loads it.
$(B)/count.so: tests/bench/count.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Werror -Wvla -Wshadow -fPIC -shared -fvisibility=hidden $< -o $@

# Likewise, for tests/system/test_protections.py.
$(B)/crossings.so: tests/system/crossings.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Werror -Wvla -Wshadow -fPIC -shared -fvisibility=hidden $< -o $@

$(INITRAMFS): scripts/mkinitramfs $(wildcard scripts/initramfs/* scripts/initramfs/*/*) $(KERNEL) $(B)/linux_bench
	scripts/mkinitramfs $@ -a $(B)/linux_bench=bin/linux_bench

# --- make run: dom0 with all of it, and a guest: the same kernel with an initramfs of its own ------------------

GUEST_INITRAMFS := $(B)/initramfs-guest
$(GUEST_INITRAMFS): scripts/mkinitramfs $(wildcard scripts/initramfs/* scripts/initramfs/*/* scripts/initramfs/*/*/*) $(KERNEL)
	scripts/mkinitramfs $@ --frontends
RUN_INITRAMFS := $(B)/initramfs-run
# The example of frontend-drivers/, where `make guests` has built it.
WEB_GUEST := $(wildcard $(B)/guest/web.elf)
NET_ROOT := $(B)/net/root
NET_PROGRAMS := $(NET_ROOT)/usr/sbin/dnsmasq $(NET_ROOT)/usr/sbin/nft
$(NET_PROGRAMS) &: scripts/fetch
	scripts/fetch net
	@touch $(NET_PROGRAMS)
$(RUN_INITRAMFS): scripts/mkinitramfs $(wildcard scripts/initramfs/* scripts/initramfs/*/*) $(GUEST_INITRAMFS) $(STATIC) $(XL) \
		$(BACKENDS) $(wildcard dom0-tools/hotplug/* scripts/run/*) $(NET_PROGRAMS)
	scripts/mkinitramfs $@ -r $(NET_ROOT) $(foreach p,$(NET_PROGRAMS),-a $p=sbin/$(notdir $p)) \
		$(foreach m,xenfs xen_evtchn xen_gntdev xen_gntalloc xen_privcmd xen_blkback xen_netback tun loop bridge nft_chain_nat nft_masq,-m $m) \
		$(TOOLSTACK_FILES) -a $(B)/tools/static/xenstore-control=bin/xenstore-control -a $(B)/tools/backendd=bin/backendd \
		$(foreach p,blkback netback,-a $(B)/tools/$p=libexec/xenolith/$p) \
		$(foreach s,common.sh vif-bridge vif-nat vif-route block,-a dom0-tools/hotplug/$s=etc/xen/scripts/$s) \
		-a dom0-tools/systemd/xen-init-dom0=bin/xen-init-dom0 -a scripts/run/first.cfg=etc/xen/first.cfg \
		-a $(B)/kernel/vmlinuz=boot/vmlinuz -a $(GUEST_INITRAMFS)=boot/initrd $(WEB_GUEST:%=-a %=boot/web)

# Guests with disks and networks of our backends; NAT, so dom0 has what make run's has for it.
BACKENDS_INITRAMFS := $(B)/initramfs-backends
BACKENDS_FILES = $(foreach m,xenfs xen_evtchn xen_gntdev xen_gntalloc xen_privcmd crc32c_generic loop tun bridge,-m $m) \
	$(TOOLSTACK_FILES) -a $(B)/tools/backendd=bin/backendd -a $(B)/tools/test/netload=bin/netload \
	$(foreach p,blkback netback,-a $(B)/tools/$p=libexec/$p) $(foreach f,$(HOTPLUG),-a $f=hotplug/$(notdir $f)) \
	-a $(B)/kernel/vmlinuz=boot/vmlinuz -a $(B)/backends-guest-initrd=boot/guest-initrd \
	-a $(B)/guest/heart.elf=boot/heart
$(B)/backends-guest-initrd: scripts/mkinitramfs scripts/guest-init scripts/initramfs/etc/udhcpc $(KERNEL) $(B)/tools/test/netload \
		$(addprefix $(B)/tools/test/,blk_load blk_hostile net_hostile)
	scripts/mkinitramfs $@ --guest -m xen_blkfront -m xen_netfront -m xenfs -m xen_evtchn -m xen_gntalloc \
		$(foreach p,netload blk_load blk_hostile net_hostile,-a $(B)/tools/test/$p=bin/$p) \
		-a scripts/initramfs/etc/udhcpc=etc/udhcpc
$(BACKENDS_INITRAMFS): scripts/mkinitramfs $(wildcard scripts/initramfs/* scripts/initramfs/*/*) $(KERNEL) $(STATIC) $(HOTPLUG) \
		$(B)/tools/static/xenconsoled $(XL) $(BACKENDS) $(NET_PROGRAMS) $(B)/backends-guest-initrd $(B)/guest/heart.elf
	scripts/mkinitramfs $@ -r $(NET_ROOT) $(foreach p,$(NET_PROGRAMS),-a $p=sbin/$(notdir $p)) \
		$(BACKENDS_FILES) -m nft_chain_nat -m nft_masq

# With Open vSwitch; the full form of test_backends.py asks for it.
OVS_ROOT := $(B)/ovs/root
OVS_PROGRAMS := $(addprefix $(OVS_ROOT)/usr/,sbin/ovsdb-server bin/ovsdb-tool bin/ovs-vsctl lib/openvswitch-switch/ovs-vswitchd)
$(OVS_PROGRAMS) &: scripts/fetch
	scripts/fetch ovs
	@touch $(OVS_PROGRAMS)
$(B)/initramfs-networks: $(BACKENDS_INITRAMFS) $(OVS_PROGRAMS)
	scripts/mkinitramfs $@ -r $(OVS_ROOT) $(foreach p,$(OVS_PROGRAMS),-a $p=bin/$(notdir $p)) \
		-a $(OVS_ROOT)/usr/share/openvswitch/vswitch.ovsschema=usr/share/openvswitch/vswitch.ovsschema \
		$(BACKENDS_FILES) -m openvswitch

run: $(MACHINE_FILES) $(RUN_INITRAMFS)
	@scripts/run-qemu --hv $(HV) --initrd $(RUN_INITRAMFS) --hv-options dom0_mem=512M $(RUN)

test: $(MACHINE_FILES) $(RUN_INITRAMFS) $(BACKENDS_INITRAMFS) $(TOOLS) $(TOOL_TEST_FILES) $(HOST_TESTS) $(FUZZERS) guests check-seam $(B)/initramfs-user
	@HV=$(HV) scripts/run-tests $(TESTS)

test-all: export FULL = 1
test-all: test

size: $(MACHINE_FILES)
	@python3 -B tests/system/test_size.py --table
