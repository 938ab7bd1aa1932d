# SPDX-License-Identifier: MIT
# What the benchmarks of rings and drivers run in: a dom0 with our tools, Linux's backends, hotplug scripts, the guests.
# Included by the main Makefile.

BENCH_INITRAMFS := $(B)/initramfs-bench
BENCH_GUEST := $(B)/bench-guest
BENCH_HOTPLUG := $(sort $(wildcard dom0-tools/hotplug/*))

$(B)/io_bench: tests/bench/io_bench.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(WARN) -static -o $@ $<
$(BENCH_GUEST): scripts/mkinitramfs scripts/guest-init $(KERNEL) $(B)/io_bench
	scripts/mkinitramfs $@ --guest -m xen_blkfront -m xen_netfront -m null_blk -a $(B)/io_bench=bin/io_bench
$(BENCH_INITRAMFS): scripts/mkinitramfs $(wildcard scripts/initramfs/* scripts/initramfs/*/*) $(KERNEL) $(STATIC) $(BENCH_HOTPLUG) \
		$(B)/tools/static/xl $(B)/tools/static/xenconsoled $(B)/guest/rings.elf $(BENCH_GUEST) $(B)/kernel/vmlinux.gz
	scripts/mkinitramfs $@ -m xenfs -m xen_evtchn -m xen_gntdev -m xen_privcmd -m xen_blkback -m xen_netback -m bridge -m null_blk \
		-a $(B)/tools/static/xl=bin/xl -a $(B)/tools/static/xenstored=bin/xenstored \
		-a $(B)/tools/static/xenconsoled=bin/xenconsoled $(foreach n,$(notdir $(CLIENT_NAMES)),-a $(B)/tools/static/xenstore=bin/$n) \
		$(foreach f,$(BENCH_HOTPLUG),-a $f=etc/xen/scripts/$(notdir $f)) -a $(B)/guest/rings.elf=boot/rings \
		-a $(B)/io_bench=bin/io_bench -a $(BENCH_GUEST)=boot/bench-guest -a $(B)/kernel/vmlinux.gz=boot/vmlinux.gz
TOOL_TEST_FILES += $(BENCH_INITRAMFS)
