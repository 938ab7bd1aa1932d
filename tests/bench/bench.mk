# SPDX-License-Identifier: MIT
# make bench, and what the benchmarks of rings and drivers run in: a dom0 with our tools, Linux's backends, hotplug scripts, the guests.
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
		$(B)/tools/static/xl $(B)/tools/static/xenconsoled $(B)/guest/rings.elf $(BENCH_GUEST) $(B)/kernel/vmlinux.gz $(BACKENDS)
	scripts/mkinitramfs $@ -m xenfs -m xen_evtchn -m xen_gntdev -m xen_privcmd -m xen_blkback -m xen_netback -m bridge -m null_blk -m tun -m xen_gntalloc \
		-a $(B)/tools/static/xl=bin/xl -a $(B)/tools/static/xenstored=bin/xenstored \
		-a $(B)/tools/static/xenconsoled=bin/xenconsoled $(foreach n,$(notdir $(CLIENT_NAMES)),-a $(B)/tools/static/xenstore=bin/$n) \
		$(foreach f,$(BENCH_HOTPLUG),-a $f=etc/xen/scripts/$(notdir $f)) -a $(B)/guest/rings.elf=boot/rings \
		-a $(B)/tools/backendd=bin/backendd $(foreach w,blkback netback,-a $(B)/tools/$w=libexec/$w) \
		-a $(B)/io_bench=bin/io_bench -a $(BENCH_GUEST)=boot/bench-guest -a $(B)/kernel/vmlinux.gz=boot/vmlinux.gz
# test_bars.py measures the rings in it.
test: $(BENCH_INITRAMFS)

# The same dom0 with Debian's xl, for what it costs to make guests with that (scripts/initramfs/test/create-bench).
BENCH_DEBIAN := $(B)/initramfs-bench-debian
$(BENCH_DEBIAN): scripts/mkinitramfs $(wildcard scripts/initramfs/* scripts/initramfs/*/*) $(KERNEL) $(STATIC) $(LIB) \
		$(DEBIAN_XENSTORE) $(B)/tools/static/xenconsoled $(B)/run_count $(B)/guest/talk.elf $(B)/kernel/vmlinux.gz \
		$(GUEST_INITRD)
	scripts/mkinitramfs $@ -m xenfs -m xen_evtchn -m xen_gntdev -m xen_privcmd \
		-a $(B)/tools/static/xenstored=bin/xenstored -a $(B)/tools/static/xenconsoled=bin/xenconsoled \
		$(foreach n,$(notdir $(CLIENT_NAMES)),-a $(B)/tools/static/xenstore=bin/$n) \
		-a $(XL_DEBIAN)/xl=bin/xl -a $(XL_DEBIAN)/xen-init-dom0=bin/xen-init-dom0 \
		$$(ldd $(XL_DEBIAN)/xl $(XL_DEBIAN)/xen-init-dom0 | \
			awk '$$2 == "=>" && $$1 != "libxenstore.so.4" { print "-a", $$3 "=lib/x86_64-linux-gnu/" $$1 }' | sort -u) \
		-a $(LIB)=lib/x86_64-linux-gnu/libxenstore.so.4 -a /lib64/ld-linux-x86-64.so.2=lib64/ld-linux-x86-64.so.2 \
		-a $(B)/run_count=bin/run_count -a $(B)/guest/talk.elf=boot/talk -a $(B)/kernel/vmlinux.gz=boot/vmlinux.gz \
		-a $(GUEST_INITRD)=boot/guest-initrd

# Here and not in system.mk, since prerequisites are looked up where a rule is read.
bench: $(MACHINE_FILES) $(B)/xen $(B)/count.so $(B)/initramfs-tools $(B)/initramfs-guests $(BENCH_INITRAMFS) $(BENCH_DEBIAN) guests
	@python3 -B tests/bench/bench.py
