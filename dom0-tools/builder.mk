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
BUILDER_CFLAGS = $(TOOL_CFLAGS) -DXENOLITH_HOST -Ihypervisor -Idom0-tools/libxenctrl
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
