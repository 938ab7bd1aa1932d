# SPDX-License-Identifier: MIT
# Rules for $(H)/test_abi_layout: one source, compiled against our public headers and against the stock ones
# (package libxen-dev). Included by the main Makefile; H is the folder of host programs.

ABI_CFLAGS := -std=gnu11 -O1 -g -Wall -Wextra -Werror -Wvla -Wshadow -I$(H)/abi

$(H)/abi/abi_list.h: tests/host/abi_list.py $(wildcard include/xen/*.h include/xen/*/*.h)
	@mkdir -p $(@D)
	$(Q)python3 $< include/xen > $@

$(H)/abi/own.o: tests/host/test_abi_layout.c $(H)/abi/abi_list.h
	$(call say,HOSTCC,$<)
	$(Q)$(CC) $(ABI_CFLAGS) -Iinclude -c $< -o $@

$(H)/abi/stock.o: tests/host/test_abi_layout.c $(H)/abi/abi_list.h
	$(call say,HOSTCC,$<)
	$(Q)$(CC) $(ABI_CFLAGS) -DABI_STOCK -c $< -o $@

$(H)/test_abi_layout: $(H)/abi/own.o $(H)/abi/stock.o
	$(call say,HOSTLD,$@)
	$(Q)$(CC) $^ -lcmocka -o $@
