// SPDX-License-Identifier: MIT
/*
 * Our include/xen against the headers that stock code is compiled with.
 *
 * This file is compiled twice: once with our headers, once (ABI_STOCK) with those of package libxen-dev. Each time
 * it makes the same table, from the list that abi_list.py draws from our headers: the value of every constant, the
 * size of every type, offset and size of every field. The tables are then compared, entry by entry.
 *
 * Where the stock headers want it, they are told to be a toolstack: that shows all their names.
 */
#ifdef ABI_STOCK
#define __XEN_TOOLS__ 1
#endif

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <xen/xen.h>

#include <xen/callback.h>
#include <xen/domctl.h>
#include <xen/elfnote.h>
#include <xen/errno.h>
#include <xen/event_channel.h>
#include <xen/features.h>
#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/io/blkif.h>
#include <xen/io/console.h>
#include <xen/io/netif.h>
#include <xen/io/ring.h>
#include <xen/io/xenbus.h>
#include <xen/io/xs_wire.h>
#include <xen/memory.h>
#include <xen/nmi.h>
#include <xen/physdev.h>
#include <xen/platform.h>
#include <xen/sched.h>
#include <xen/sysctl.h>
#include <xen/vcpu.h>
#include <xen/version.h>

struct abi_fact {
	const char *name;
	long long value;	/* constant, size or offset */
	size_t size;		/* of a field */
};

#ifdef ABI_STOCK
#include <xen/arch-x86/cpuid.h>
#include <xen/arch-x86/hvm/start_info.h>
#include <xen/arch-x86/xen-mca.h>

/* The ring's head exists there only inside a ring of some kind. */
struct slot {
	char bytes[112];
};
DEFINE_RING_TYPES(sample, struct slot, struct slot);
#define xen_ring_head sample_sring
#define HEAD_BYTES	offsetof(struct sample_sring, ring)
#define SLOTS_IN_PAGE	__CONST_RING_SIZE(sample, 4096)
#define SLOTS_IN_16	__CONST_RING_SIZE(sample, 65536)
#define FACTS		abi_stock_facts
#define NR_FACTS	abi_stock_nr_facts
#else
#include <xen/cpuid.h>
#include <xen/hvm/start_info.h>
#include <xen/mca.h>

#define HEAD_BYTES	sizeof(struct xen_ring_head)
#define SLOTS_IN_PAGE	xen_ring_slots(4096, 112)
#define SLOTS_IN_16	xen_ring_slots(65536, 112)
#define FACTS		abi_own_facts
#define NR_FACTS	abi_own_nr_facts
#endif

#define ABI_CONST(name)		{ #name, (long long)(name), 0 },
#define ABI_SIZE(type)		{ "sizeof " #type, sizeof(type), 0 },
#define ABI_FIELD(type, field)	{ #type " ." #field, offsetof(type, field), FIELD_SIZE(type, field) },
/* A flexible array at the end has no size. */
#define FIELD_SIZE(type, field) \
	__builtin_choose_expr(__builtin_strcmp(#field, "optarr") && __builtin_strcmp(#field, "buf"), \
			      sizeof(struct { char anchor; __typeof__(((type *)0)->field) f; }), 0)

extern const struct abi_fact abi_own_facts[], abi_stock_facts[];
extern const size_t abi_own_nr_facts, abi_stock_nr_facts;

const struct abi_fact FACTS[] = {
#include "abi_list.h"
	{ "bytes before the first slot of a ring", HEAD_BYTES, 0 },
};
const size_t NR_FACTS = sizeof(FACTS) / sizeof(FACTS[0]);

#ifdef ABI_STOCK

unsigned int abi_stock_slots(int large);

unsigned int abi_stock_slots(int large)
{
	return large ? SLOTS_IN_16 : SLOTS_IN_PAGE;
}

#else

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

unsigned int abi_stock_slots(int large);

static void every_constant_size_and_offset_equals_the_stock_headers(void **state)
{
	size_t wrong = 0;

	(void)state;
	assert_int_equal(abi_own_nr_facts, abi_stock_nr_facts);
	for (size_t i = 0; i < abi_own_nr_facts; i++) {
		const struct abi_fact *own = &abi_own_facts[i], *stock = &abi_stock_facts[i];

		assert_string_equal(own->name, stock->name);
		if (own->value == stock->value && own->size == stock->size)
			continue;
		wrong++;
		print_error("%s: ours is %lld (size %zu), stock %lld (size %zu)\n", own->name, own->value, own->size,
			    stock->value, stock->size);
	}
	assert_int_equal(wrong, 0);
}

static void the_list_is_not_empty_by_mistake(void **state)
{
	(void)state;
	assert_true(abi_own_nr_facts > 1500);
}

static void a_ring_has_as_many_slots_as_the_stock_macros_say(void **state)
{
	(void)state;
	assert_int_equal(SLOTS_IN_PAGE, abi_stock_slots(0));
	assert_int_equal(SLOTS_IN_16, abi_stock_slots(1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_list_is_not_empty_by_mistake),
		cmocka_unit_test(every_constant_size_and_offset_equals_the_stock_headers),
		cmocka_unit_test(a_ring_has_as_many_slots_as_the_stock_macros_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
