# SPDX-License-Identifier: MIT
# What the benchmarks of rings and drivers run in: a dom0 with our tools, Linux's backends, hotplug scripts, the guests.
# Included by the main Makefile.

BENCH_INITRAMFS := $(B)/initramfs-bench
BENCH_HOTPLUG := $(sort $(wildcard dom0-tools/hotplug/*))
$(BENCH_INITRAMFS): scripts/mkinitramfs $(wildcard scripts/initramfs/* scripts/initramfs/*/*) $(KERNEL) $(STATIC) $(BENCH_HOTPLUG) \
		$(B)/tools/static/xl $(B)/tools/static/xenconsoled $(B)/guest/rings.elf
	scripts/mkinitramfs $@ -m xenfs -m xen_evtchn -m xen_gntdev -m xen_privcmd -m xen_blkback -m xen_netback -m bridge -m null_blk \
		-a $(B)/tools/static/xl=bin/xl -a $(B)/tools/static/xenstored=bin/xenstored \
		-a $(B)/tools/static/xenconsoled=bin/xenconsoled $(foreach n,$(notdir $(CLIENT_NAMES)),-a $(B)/tools/static/xenstore=bin/$n) \
		$(foreach f,$(BENCH_HOTPLUG),-a $f=etc/xen/scripts/$(notdir $f)) -a $(B)/guest/rings.elf=boot/rings
