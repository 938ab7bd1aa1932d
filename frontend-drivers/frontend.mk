# SPDX-License-Identifier: MIT
# The frontends for guests that are not Linux. Included by tests/guest/guest.mk, whose variables it uses.
#
# build/guest/libfront.a is the library for guests on the runtime; for the host it is built once more, with sanitizers,
# for the unit tests (tests/host/front) and the fuzzer.

FRONT_SRC := $(wildcard frontend-drivers/*.c)
FRONT_OBJ := $(FRONT_SRC:frontend-drivers/%.c=$(GUEST_B)/front/%.o)
FRONT_LIB := $(GUEST_B)/libfront.a

$(GUEST_B)/front/%.o: frontend-drivers/%.c
	@mkdir -p $(@D)
	$(call say,GUESTCC,$<)
	$(Q)$(GUEST_CC) $(GUEST_CPPFLAGS) $(GUEST_CFLAGS) -c $< -o $@
$(FRONT_LIB): $(FRONT_OBJ) $(GUEST_B)/runtime/os.o
	$(Q)rm -f $@ && ar rcs $@ $^

-include $(wildcard $(GUEST_B)/front/*.d)

# --- tests on the host: a system and a store around the library, backends that work and that lie ---------------

FRONT_HOST_OBJ := $(FRONT_SRC:frontend-drivers/%.c=$(H)/front.d/%.o) $(H)/front.d/fake_os.o
FRONT_HOST_CFLAGS = $(filter-out -Ihypervisor -DXENOLITH_HOST -DXENOLITH_DEBUG -Itests/host,$(HOST_CFLAGS)) \
	-Ifrontend-drivers -Itests/host/front -Wno-format-truncation
FRONT_TESTS := $(patsubst tests/host/front/%.c,$(H)/%,$(wildcard tests/host/front/test_*.c))
HOST_TESTS += $(FRONT_TESTS)
host-tests: $(FRONT_TESTS)

$(H)/front.d/%.o: frontend-drivers/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(FRONT_HOST_CFLAGS) -MMD -MP -c -o $@ $<
$(H)/front.d/%.o: tests/host/front/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(FRONT_HOST_CFLAGS) -MMD -MP -c -o $@ $<
$(H)/libfront.a: $(FRONT_HOST_OBJ)
	$(Q)rm -f $@ && ar rcs $@ $^
$(FRONT_TESTS): $(H)/%: tests/host/front/%.c tests/host/front/fake_os.h $(H)/libfront.a
	$(call say,HOSTLD,$@)
	$(Q)$(CC) $(FRONT_HOST_CFLAGS) -o $@ $< $(H)/libfront.a -lcmocka
$(H)/fuzz_frontend: tests/fuzz/fuzz_frontend.c tests/fuzz/replay.c tests/host/front/fake_os.h $(H)/libfront.a
	$(call say,HOSTLD,$@)
	$(Q)$(CC) $(filter-out -fsanitize-coverage=%,$(FRONT_HOST_CFLAGS)) -O2 -o $@ $< tests/fuzz/replay.c $(H)/libfront.a
-include $(FRONT_HOST_OBJ:.o=.d)

# --- the example guest: lwIP on the runtime, from the source of Debian's package ----------------------------

LWIP := $(B)/lwip/source/src
LWIP_SRC := $(addprefix core/,def inet_chksum init ip mem memp netif pbuf raw tcp tcp_in tcp_out timeouts udp \
	altcp altcp_alloc altcp_tcp ipv4/dhcp ipv4/etharp ipv4/icmp ipv4/ip4 ipv4/ip4_addr ipv4/ip4_frag) \
	netif/ethernet apps/http/httpd
LWIP_OBJ := $(LWIP_SRC:%=$(GUEST_B)/lwip/%.o)
WEB_OBJ := $(patsubst frontend-drivers/example/%.c,$(GUEST_B)/web/%.o,$(wildcard frontend-drivers/example/*.c))
WEB_CPPFLAGS := $(GUEST_CPPFLAGS) -Ifrontend-drivers/example -isystem $(LWIP)/include
guests: $(GUEST_B)/web.elf

$(LWIP)/core/init.c: scripts/fetch-lwip
	scripts/fetch-lwip
	@touch $@
# Warnings are its authors' affair; the flags that make code fit the runtime are ours.
$(LWIP_OBJ): $(GUEST_B)/lwip/%.o: $(LWIP)/core/init.c $(wildcard frontend-drivers/example/*opts.h frontend-drivers/example/arch/*)
	@mkdir -p $(@D)
	$(Q)$(GUEST_CC) $(WEB_CPPFLAGS) $(filter-out -W%,$(GUEST_CFLAGS)) -w -c $(LWIP)/$*.c -o $@
$(GUEST_B)/web/%.o: frontend-drivers/example/%.c $(LWIP)/core/init.c
	@mkdir -p $(@D)
	$(call say,GUESTCC,$<)
	$(Q)$(GUEST_CC) $(WEB_CPPFLAGS) $(GUEST_CFLAGS) -c $< -o $@
$(GUEST_B)/web.elf: $(WEB_OBJ) $(LWIP_OBJ) $(RUNTIME_OBJS) $(FRONT_LIB) $(GUEST_B)/runtime/runtime.lds
	$(call say,GUESTLD,$@)
	$(Q)$(GUEST_CC) $(GUEST_LDFLAGS) -Wl,-T,$(GUEST_B)/runtime/runtime.lds $(filter %.o %.a,$^) -o $@
-include $(wildcard $(GUEST_B)/web/*.d)

# --- in a machine: tests/system/test_frontends.py ---------------------------------------------------------

# dom0 with our toolstack, Linux's backends and ours, the guest that tries the frontends, and the example.
FRONT_INITRAMFS := $(B)/initramfs-frontends
$(FRONT_INITRAMFS): scripts/mkinitramfs $(wildcard scripts/initramfs/* scripts/initramfs/*/*) $(KERNEL) $(STATIC) $(HOTPLUG) \
		$(XL) $(BACKENDS) $(GUEST_B)/front.elf $(GUEST_B)/web.elf
	scripts/mkinitramfs $@ $(foreach m,xenfs xen_evtchn xen_gntdev xen_privcmd xen_blkback xen_netback loop tun bridge,-m $m) \
		$(foreach p,xenstored xenconsoled,-a $(B)/tools/static/$p=bin/$p) -a $(XL)=bin/xl \
		$(foreach n,$(notdir $(CLIENT_NAMES)),-a $(B)/tools/static/xenstore=bin/$n) \
		$(foreach p,$(BACKENDS),-a $p=$(if $(filter %/backendd,$p),bin,libexec)/$(notdir $p)) \
		$(foreach f,$(HOTPLUG),-a $f=etc/xen/scripts/$(notdir $f)) \
		-a $(GUEST_B)/front.elf=boot/front -a $(GUEST_B)/web.elf=boot/web
TOOL_TEST_FILES += $(FRONT_INITRAMFS)
