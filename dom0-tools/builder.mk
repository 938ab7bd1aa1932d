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
