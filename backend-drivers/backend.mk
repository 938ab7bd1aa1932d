# SPDX-License-Identifier: MIT
# backendd and its workers; each is one piece without libraries. Included by the main Makefile.

BACKEND_CFLAGS := $(filter-out -Idom0-tools/xenstored,$(TOOL_CFLAGS)) -Idom0-tools/libxenctrl \
	-DWORKER_DIR='"$(PREFIX)/libexec/xenolith"'
BACKEND_LINK := -static -Wl,-z,noexecstack
KEEPER_SRC := $(addprefix backend-drivers/common/,main log events kinds device memory spawn control) \
	backend-drivers/blkback/kind backend-drivers/blkback/storage_uring_open
WORKER_COMMON := backend-drivers/common/worker backend-drivers/common/sandbox
BLKBACK_SRC := $(addprefix backend-drivers/blkback/,main protocol queue data storage_uring) $(WORKER_COMMON)

BACKENDS := $(B)/tools/backendd $(B)/tools/blkback
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
	$(Q)$(CC) $(BACKEND_LINK) -o $@ $^ -luring -pthread
$(B)/tools/blkback: $(call backend_objects,backend.d,$(BLKBACK_SRC))
	$(call say,LD,$@)
	$(Q)$(CC) $(BACKEND_LINK) -o $@ $^ -luring -lseccomp
$(B)/tools/test/backendd: $(call backend_objects,backend-test.d,$(KEEPER_SRC)) $(COMMON_OBJ) $(XENCTRL) $(LIB_OBJ)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BACKEND_LINK) -o $@ $^ -luring -pthread
$(B)/tools/test/blkback: $(call backend_objects,backend-test.d,$(BLKBACK_SRC))
	@mkdir -p $(@D)
	$(Q)$(CC) $(BACKEND_LINK) -o $@ $^ -luring -lseccomp

-include $(wildcard $(B)/tools/backend.d/*/*.d $(B)/tools/backend-test.d/*/*.d)
