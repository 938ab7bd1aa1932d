# SPDX-License-Identifier: MIT
# backendd and its workers; all but blkback-nbd are one piece without libraries. Included by the main Makefile.

BACKEND_CFLAGS := $(filter-out -Idom0-tools/xenstored,$(TOOL_CFLAGS)) -Idom0-tools/libxenctrl
BACKEND_LINK := -static -Wl,-z,noexecstack
KEEPER_SRC := $(addprefix backend-drivers/common/,main log events kinds device memory spawn control) \
	$(addprefix backend-drivers/blkback/,kind storage_uring_open storage_nbd_open) $(addprefix backend-drivers/nbd/,disk image jail) \
	$(addprefix backend-drivers/netback/,kind tap rate)
WORKER_COMMON := backend-drivers/common/worker backend-drivers/common/sandbox
BLKBACK_SRC := $(addprefix backend-drivers/blkback/,main protocol queue data storage_uring storage_nbd) backend-drivers/nbd/queue \
	$(WORKER_COMMON)
NBD_SRC := $(addprefix backend-drivers/nbd/,main serve link unflushed)

BACKENDS := $(B)/tools/backendd $(B)/tools/blkback $(B)/tools/blkback-nbd $(B)/tools/netback
TOOLS += $(BACKENDS)
tools: $(BACKENDS)

$(B)/tools/backend.d/%.o: backend-drivers/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(BACKEND_CFLAGS) -MMD -MP -c -o $@ $<
# With places where a worker can be told to die (tests/system/test_blkback.py).
$(B)/tools/backend-test.d/%.o: backend-drivers/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(BACKEND_CFLAGS) -DFAULT_POINTS -MMD -MP -c -o $@ $<

backend_objects = $(patsubst backend-drivers/%,$(B)/tools/$(1)/%.o,$(2))
$(B)/tools/backendd: $(call backend_objects,backend.d,$(KEEPER_SRC)) $(COMMON_OBJ) $(XENCTRL) $(LIB_OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) $(BACKEND_LINK) -o $@ $^ -luring -lseccomp -pthread
$(B)/tools/blkback: $(call backend_objects,backend.d,$(BLKBACK_SRC))
	$(call say,LD,$@)
	$(Q)$(CC) $(BACKEND_LINK) -o $@ $^ -luring -lseccomp
# The one with libraries: libnbd's TLS comes with many.
$(B)/tools/blkback-nbd: $(call backend_objects,backend.d,$(NBD_SRC))
	$(call say,LD,$@)
	$(Q)$(CC) $(TOOL_LDFLAGS) -o $@ $^ -lnbd -lseccomp
$(B)/tools/test/backendd: $(call backend_objects,backend-test.d,$(KEEPER_SRC)) $(COMMON_OBJ) $(XENCTRL) $(LIB_OBJ)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BACKEND_LINK) -o $@ $^ -luring -lseccomp -pthread
$(B)/tools/test/blkback: $(call backend_objects,backend-test.d,$(BLKBACK_SRC))
	@mkdir -p $(@D)
	$(Q)$(CC) $(BACKEND_LINK) -o $@ $^ -luring -lseccomp

# Stands for keeper and worker in tests/tools/test_nbd.py.
$(B)/tools/test/nbd_driver: tests/tools/nbd_driver.c $(call backend_objects,backend.d,$(addprefix backend-drivers/,nbd/disk \
		nbd/image nbd/jail nbd/queue common/events))
	@mkdir -p $(@D)
	$(Q)$(CC) $(BACKEND_CFLAGS) $(BACKEND_LINK) -o $@ $^ -lseccomp
TOOL_TEST_FILES += $(B)/tools/test/nbd_driver

-include $(wildcard $(B)/tools/backend.d/*/*.d $(B)/tools/backend-test.d/*/*.d)

# For Xen's own xl: stands where that wants QEMU.
DEVICE_MODEL := $(B)/tools/device-model
TOOLS += $(DEVICE_MODEL)
$(DEVICE_MODEL): $(B)/tools/backend.d/device-model/main.o $(LIB_OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) $(BACKEND_LINK) -o $@ $^ -l:libyajl_s.a -pthread

# --- in machines: the test build in dom0, and a guest with a load that knows what must be on its disk --------------------

$(B)/tools/test/blk_load: tests/system/blk_load.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(TOOL_CFLAGS) -static -pthread -o $@ $<
$(B)/tools/test/blk_hostile: tests/system/hostile.h
$(B)/tools/test/blk_hostile: tests/system/blk_hostile.c $(LIB_OBJ)
	@mkdir -p $(@D)
	$(Q)$(CC) $(TOOL_CFLAGS) -static -pthread -o $@ $(filter-out %.h,$^)
BLKBACK_INITRAMFS := $(B)/initramfs-blkback
$(B)/blkback-guest-initrd: scripts/mkinitramfs scripts/guest-init $(KERNEL) $(B)/tools/test/blk_load $(B)/tools/test/blk_hostile
	scripts/mkinitramfs $@ --guest -m xen_blkfront -m xen_evtchn -m xen_gntalloc -m crc32c_generic -m ext4 \
		-a $(B)/tools/test/blk_load=bin/blk_load -a $(B)/tools/test/blk_hostile=bin/blk_hostile -a /sbin/e2fsck=bin/e2fsck
$(BLKBACK_INITRAMFS): scripts/mkinitramfs $(wildcard scripts/initramfs/* scripts/initramfs/*/*) $(KERNEL) $(STATIC) $(XL) \
		$(B)/tools/test/backendd $(B)/tools/test/blkback $(BACKENDS) $(B)/blkback-guest-initrd
	scripts/mkinitramfs $@ -m xenfs -m xen_evtchn -m xen_gntdev -m xen_privcmd -m null_blk -m loop -m crc32c_generic -m ext4 \
		$(TOOLSTACK_FILES) -a $(B)/tools/backendd=bin/backendd -a $(B)/tools/blkback=libexec/blkback \
		-a $(B)/tools/test/backendd=bin/backendd-test -a $(B)/tools/test/blkback=libexec-test/blkback \
		-a $(B)/kernel/vmlinuz=boot/vmlinuz -a $(B)/blkback-guest-initrd=boot/guest-initrd
TOOL_TEST_FILES += $(BLKBACK_INITRAMFS)

# Likewise with images: Debian's QEMU tools and their libraries, as this machine has them.
IMAGES_INITRAMFS := $(B)/initramfs-images
QEMU_TOOLS := /usr/bin/qemu-nbd /usr/bin/qemu-img
$(IMAGES_INITRAMFS): scripts/mkinitramfs $(wildcard scripts/initramfs/* scripts/initramfs/*/*) $(KERNEL) $(STATIC) $(XL) $(BACKENDS) \
		$(B)/blkback-guest-initrd $(QEMU_TOOLS)
	scripts/mkinitramfs $@ -r /usr/lib/x86_64-linux-gnu -m xenfs -m xen_evtchn -m xen_gntdev -m xen_privcmd -m null_blk \
		-m crc32c_generic -m ext4 \
		$(TOOLSTACK_FILES) -a $(B)/tools/backendd=bin/backendd $(foreach p,blkback blkback-nbd,-a $(B)/tools/$p=libexec/$p) \
		$(foreach p,$(QEMU_TOOLS),-a $p=usr/bin/$(notdir $p)) \
		-a $(B)/kernel/vmlinuz=boot/vmlinuz -a $(B)/blkback-guest-initrd=boot/guest-initrd
TOOL_TEST_FILES += $(IMAGES_INITRAMFS)

# --- the pure part, and the journal, under sanitizers ---------------------------------------------------------------------

BLKBACK_HOST_CFLAGS = $(filter-out -Ihypervisor -DXENOLITH_HOST -DXENOLITH_DEBUG -Itests/host,$(HOST_CFLAGS)) -D_GNU_SOURCE \
	-DFAULT_POINTS -Ibackend-drivers/blkback
BLKBACK_HOST_OBJ := $(H)/blkback.d/protocol.o $(H)/blkback.d/queue.o
$(H)/blkback.d/%.o: backend-drivers/blkback/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(BLKBACK_HOST_CFLAGS) -MMD -MP -c -o $@ $<
$(H)/fuzz_blkback: tests/fuzz/fuzz_blkback.c tests/fuzz/replay.c $(BLKBACK_HOST_OBJ)
	$(call say,HOSTLD,$@)
	$(Q)$(CC) $(BLKBACK_HOST_CFLAGS) -O2 -o $@ $^
-include $(BLKBACK_HOST_OBJ:.o=.d)

include backend-drivers/netback/netback.mk
