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
STORE_OBJ := $(STORE_PURE:%=$(B)/tools/xenstored.d/%.o) $(STORE_DAEMON:%=$(B)/tools/xenstored.d/%.o)
STORE_TEST_OBJ := $(STORE_PURE:%=$(B)/tools/xenstored.d/%.o) $(STORE_DAEMON:%=$(B)/tools/test.d/%.o)
TOOLS := $(B)/tools/xenstored

.PHONY: tools
tools: $(TOOLS)

$(B)/tools/xenstored.d/%.o: dom0-tools/xenstored/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(TOOL_CFLAGS) -fPIE -MMD -MP -c -o $@ $<
$(B)/tools/test.d/%.o: dom0-tools/xenstored/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(TOOL_CFLAGS) -DXENSTORED_TEST -fPIE -MMD -MP -c -o $@ $<
$(B)/tools/test.d/xen_files.o: tests/tools/xen_files.c
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
