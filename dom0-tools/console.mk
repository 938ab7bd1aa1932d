# SPDX-License-Identifier: MIT
# xenconsoled, and its tests. Included by tools.mk.

CONSOLE_PURE := ring backlog logfile
CONSOLE_DAEMON := main domains guest viewer hvlog
CONSOLE_OBJ := $(CONSOLE_PURE:%=$(B)/tools/xenconsoled.d/%.o) $(CONSOLE_DAEMON:%=$(B)/tools/xenconsoled.d/%.o)
CONSOLE_CFLAGS := $(filter-out -Idom0-tools/xenstored,$(TOOL_CFLAGS)) -Idom0-tools/libxenctrl

$(B)/tools/xenconsoled.d/%.o: dom0-tools/xenconsoled/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CONSOLE_CFLAGS) -fPIE -MMD -MP -c -o $@ $<
$(B)/tools/xenconsoled.d/xen_files.o: tests/tools/xenconsoled/xen_files.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CONSOLE_CFLAGS) -fPIE -MMD -MP -c -o $@ $<

$(B)/tools/xenconsoled: $(CONSOLE_OBJ) $(B)/tools/xenconsoled.d/xen.o $(B)/tools/libxenctrl.a | $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(TOOL_LDFLAGS) -o $@ $^ -L$(B)/tools -lxenstore -Wl,-rpath,'$$ORIGIN'
$(B)/tools/static/xenconsoled: $(CONSOLE_OBJ) $(B)/tools/xenconsoled.d/xen.o $(B)/tools/libxenctrl.a $(LIB_OBJ)
	@mkdir -p $(@D)
	$(Q)$(CC) -static -Wl,-z,noexecstack -o $@ $^ -pthread
# With files in Xen's place, for tests/tools/test_xenconsoled.py.
$(B)/tools/test/xenconsoled: $(CONSOLE_OBJ) $(B)/tools/xenconsoled.d/xen_files.o $(LIB_OBJ)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(TOOL_LDFLAGS) -o $@ $^ -pthread
-include $(wildcard $(B)/tools/xenconsoled.d/*.d)

# xl console alone.
XLCONSOLE_SRC := tests/tools/xenconsoled/xlconsole.c dom0-tools/xl/console.c
$(B)/tools/test/xlconsole: $(XLCONSOLE_SRC) dom0-tools/xl/console.h $(LIB_OBJ)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CONSOLE_CFLAGS) -static -Wl,-z,noexecstack -o $@ $(filter-out %.h,$^) -pthread

TOOLS += $(B)/tools/xenconsoled
tools: $(B)/tools/xenconsoled
STATIC += $(B)/tools/static/xenconsoled
TOOL_TEST_FILES += $(B)/tools/test/xenconsoled $(B)/tools/test/xlconsole $(B)/tools/xenconsoled

# --- the pure part under sanitizers -----------------------------------------------------------

CONSOLE_HOST_OBJ := $(CONSOLE_PURE:%=$(H)/xenconsoled.d/%.o)
CONSOLE_HOST_CFLAGS = $(filter-out -Ihypervisor -DXENOLITH_HOST -DXENOLITH_DEBUG -Itests/host,$(HOST_CFLAGS)) -D_GNU_SOURCE \
	-Idom0-tools/xenconsoled
$(H)/xenconsoled.d/%.o: dom0-tools/xenconsoled/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CONSOLE_HOST_CFLAGS) -MMD -MP -c -o $@ $<
$(H)/test_xenconsoled: tests/tools/xenconsoled/test_xenconsoled.c $(CONSOLE_HOST_OBJ)
	$(call say,HOSTLD,$@)
	$(Q)$(CC) $(CONSOLE_HOST_CFLAGS) -o $@ $^ -lcmocka
$(H)/fuzz_xenconsoled: tests/fuzz/fuzz_xenconsoled.c tests/fuzz/replay.c $(CONSOLE_HOST_OBJ)
	$(call say,HOSTLD,$@)
	$(Q)$(CC) $(CONSOLE_HOST_CFLAGS) -O2 -o $@ $^
-include $(CONSOLE_HOST_OBJ:.o=.d)
HOST_TESTS += $(H)/test_xenconsoled
host-tests: $(H)/test_xenconsoled
