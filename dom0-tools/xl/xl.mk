# SPDX-License-Identifier: MIT
# xl. The parsers are pure and are built once more with sanitizers for the unit tests and the fuzzer.

XL_PURE := report lang config config_devices config_json json cpus disk vif conf
XL_HOST_OBJ := $(XL_PURE:%=$(H)/xl.d/%.o)
XL_TESTS := $(patsubst tests/xl/%.c,$(H)/%,$(wildcard tests/xl/test_*.c))
HOST_TESTS += $(XL_TESTS)
host-tests: $(XL_TESTS)

$(H)/xl.d/%.o: dom0-tools/xl/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(STORE_HOST_CFLAGS) -MMD -MP -c -o $@ $<
$(H)/libxl.a: $(XL_HOST_OBJ)
	$(Q)rm -f $@ && ar rcs $@ $^
$(XL_TESTS): $(H)/%: tests/xl/%.c $(H)/libxl.a
	$(call say,HOSTLD,$@)
	$(Q)$(CC) $(STORE_HOST_CFLAGS) -Idom0-tools/xl -o $@ $< $(H)/libxl.a -l:libyajl_s.a -lcmocka
$(H)/fuzz_xlconfig: tests/fuzz/fuzz_xlconfig.c tests/fuzz/replay.c $(H)/libxl.a
	$(call say,HOSTLD,$@)
	$(Q)$(CC) $(filter-out -fsanitize-coverage=%,$(STORE_HOST_CFLAGS)) -Idom0-tools/xl -O2 -o $@ \
		tests/fuzz/fuzz_xlconfig.c tests/fuzz/replay.c $(H)/libxl.a -l:libyajl_s.a
-include $(XL_HOST_OBJ:.o=.d)

# --- the program: one piece without libraries, for half of what a verb costs would else be their loading --------

XL_SRC := $(wildcard dom0-tools/xl/*.c)
XL_OBJ := $(XL_SRC:dom0-tools/xl/%.c=$(B)/tools/xl.d/%.o)
XL := $(B)/tools/xl
TOOLS += $(XL)
tools: $(XL)

$(B)/tools/xl.d/%.o: dom0-tools/xl/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(TOOL_CFLAGS) -MMD -MP -c -o $@ $<
$(XL): $(XL_OBJ) $(BUILDER) $(XENCTRL) $(LIB_OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) -static -Wl,-z,noexecstack -o $@ $(XL_OBJ) $(BUILDER) $(XENCTRL) $(LIB_OBJ) \
		$(BUILDER_LIBS) -l:libyajl_s.a -pthread
-include $(XL_OBJ:.o=.d)
