# SPDX-License-Identifier: MIT
# Rules for $(B)/host/test_abi_layout: one source, compiled against our public headers and against the stock ones
# (package libxen-dev). Included by the main Makefile; B is the build folder.

ABI_CFLAGS := -std=gnu11 -O1 -g -Wall -Wextra -Werror -Wvla -Wshadow -I$(B)/host/abi

$(B)/host/abi/abi_list.h: tests/host/abi_list.py $(wildcard include/xen/*.h include/xen/*/*.h)
	@mkdir -p $(@D)
	$(Q)python3 $< include/xen > $@

$(B)/host/abi/own.o: tests/host/test_abi_layout.c $(B)/host/abi/abi_list.h
	$(call say,HOSTCC,$<)
	$(Q)$(CC) $(ABI_CFLAGS) -Iinclude -c $< -o $@

$(B)/host/abi/stock.o: tests/host/test_abi_layout.c $(B)/host/abi/abi_list.h
	$(call say,HOSTCC,$<)
	$(Q)$(CC) $(ABI_CFLAGS) -DABI_STOCK -c $< -o $@

$(B)/host/test_abi_layout: $(B)/host/abi/own.o $(B)/host/abi/stock.o
	$(call say,HOSTLD,$@)
	$(Q)$(CC) $^ -lcmocka -o $@
