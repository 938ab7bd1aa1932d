// SPDX-License-Identifier: MIT
/* CPU policies as lists: what a toolstack reads, gives back, and may not give. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake_machine.h"
#include "x86/policy.h"
#include "xen/domctl.h"

#define ROOM 128

/* In the guest's memory. */
#define LIST FAKE_GUEST_BASE
#define MSRS (FAKE_GUEST_BASE + PAGE_SIZE)
static struct xen_cpuid_leaf *list;
static struct xen_msr_entry *msrs;
static u32 nr, nr_msrs;
static struct cpu_policy p;
static struct policy_error e;

/* A CPU with all features, one cache, and AVX-512. */
static void raw(u32 leaf, u32 sub, u32 out[4])
{
	memset(out, 0xff, 16);
	if (leaf == 0 || leaf == 0x80000000) {
		out[0] = leaf + 0x24;
	} else if (leaf == 4) {
		memset(out, 0, 16);
		out[0] = sub ? 0 : 0x121;
	} else if (leaf == 0xb) {
		memset(out, 0, 16);
		out[0] = sub ? 4 : 1;
		out[1] = sub < 2;
	} else if (leaf == 0xd && sub >= 2) {
		out[0] = 64;
		out[1] = 576 + 64 * sub;
	}
}

static int fresh(void **state)
{
	(void)state;
	fake_reset();
	policy_init(raw);
	list = fake_guest(LIST);
	msrs = fake_guest(MSRS);
	nr = ROOM;
	nr_msrs = 4;
	assert_int_equal(policy_to_guest(&pv_policy, &nr, LIST, &nr_msrs, MSRS), 0);
	p = pv_policy;
	return 0;
}

static long give(void)
{
	return policy_from_guest(&p, nr, LIST, nr_msrs, MSRS, &e);
}

static struct xen_cpuid_leaf *leaf(u32 number, u32 sub)
{
	for (u32 i = 0; i < nr; i++)
		if (list[i].leaf == number && list[i].subleaf == sub)
			return &list[i];
	fail_msg("leaf %x.%x is not in the list", number, sub);
	return NULL;
}

static void what_was_read_may_be_given_back_and_changes_nothing(void **state)
{
	(void)state;
	assert_int_equal(nr_msrs, 2);
	assert_int_equal(give(), 0);
	assert_memory_equal(&p, &pv_policy, sizeof(p));
}

static void the_list_has_what_a_guest_sees(void **state)
{
	struct policy_guest g = { .xcr0 = 7 };
	u32 out[4];

	(void)state;
	for (u32 i = 0; i < nr; i++) {
		if (list[i].leaf >> 16 == 0x4000 || list[i].leaf == 0xb || list[i].leaf == 0xd)
			continue;
		policy_cpuid(&g, list[i].leaf, list[i].subleaf == ~0u ? 0 : list[i].subleaf, out);
		assert_memory_equal(&list[i].a, out, 16);
	}
	assert_int_equal(leaf(0xd, 0)->a, 0xe7);
	/* As libxenguest 4.17 writes them: unused subleaves of 4 too, both of topology, the limits of Xen's leaves. */
	leaf(4, 5);
	leaf(0xb, 1);
	assert_int_equal(leaf(0x40000000, ~0u)->a, 0x40000005);
	leaf(0x40000100, ~0u);
}

static void room_is_not_exceeded_and_its_need_can_be_asked(void **state)
{
	u32 less = nr - 1, none = 0, most = 0, most_msrs = 0;

	(void)state;
	assert_int_equal(policy_to_guest(&pv_policy, &less, LIST, &nr_msrs, MSRS), -ENOBUFS);
	assert_int_equal(policy_to_guest(&pv_policy, &nr, LIST, &none, MSRS), -ENOBUFS);
	assert_int_equal(policy_to_guest(&pv_policy, &most, 0, &most_msrs, 0), 0);
	assert_true(most >= nr && most_msrs >= nr_msrs);
}

static void a_feature_taken_away_is_not_shown_and_one_added_is_dropped(void **state)
{
	struct policy_guest g = { .policy = &p, .xcr0 = 0xe7 };
	u32 out[4];

	(void)state;
	leaf(1, ~0u)->c &= ~(1u << 30);              /* RDRAND */
	leaf(7, 0)->b |= 1u << 7 | 1u << 20;         /* SMEP, SMAP */
	leaf(7, 0)->b &= ~(1u << 16);                /* AVX512F */
	leaf(0x80000007, ~0u)->d = ~0u;
	assert_int_equal(give(), 0);
	policy_cpuid(&g, 1, 0, out);
	assert_int_equal(out[ECX] >> 30 & 1, 0);
	assert_true(out[ECX] >> 26 & 1);
	policy_cpuid(&g, 7, 0, out);
	assert_int_equal(out[EBX] & (1u << 7 | 1u << 20 | 1u << 16), 0);
	assert_int_equal(p.feature[FEATURE_7B0], out[EBX]);
	policy_cpuid(&g, 0x80000007, 0, out);
	assert_int_equal(out[EDX], 1u << 8);         /* the invariant TSC, which it may have */
	policy_cpuid(&g, 0xd, 0, out);
	assert_int_equal(out[EAX], 7);
	assert_int_equal(out[ECX], out[EBX]);
	/* The others still see what they saw. */
	policy_cpuid(&(struct policy_guest){ .xcr0 = 7 }, 1, 0, out);
	assert_true(out[ECX] >> 30 & 1);
}

static void names_and_smaller_limits_are_taken(void **state)
{
	struct policy_guest g = { .policy = &p };
	u32 out[4];

	(void)state;
	leaf(0, ~0u)->a = 7;
	leaf(0x80000002, ~0u)->a = 0x206f6c6c;
	leaf(1, ~0u)->b = 0xffffffff;
	assert_int_equal(give(), 0);
	policy_cpuid(&g, 0, 0, out);
	assert_int_equal(out[EAX], 7);
	policy_cpuid(&g, 0x80000002, 0, out);
	assert_int_equal(out[EAX], 0x206f6c6c);
	policy_cpuid(&g, 1, 0, out);
	assert_int_equal(out[EBX] >> 24, 0);         /* an APIC id is not a toolstack's to give */
}

static void assert_refused(u32 l, u32 sub)
{
	assert_int_equal(give(), -EINVAL);
	assert_int_equal(e.leaf, l);
	assert_int_equal(e.subleaf, sub);
	assert_int_equal(e.msr, ~0u);
	assert_int_equal(fresh(NULL), 0);
}

static void what_no_policy_has_is_refused_by_name(void **state)
{
	(void)state;
	list[2].leaf = 0xe;
	assert_refused(0xe, ~0u);
	list[2].leaf = 0x80000022;
	assert_refused(0x80000022, ~0u);
	leaf(4, 5)->subleaf = 6;
	assert_refused(4, 6);
	leaf(7, 0)->a = 2;
	assert_refused(7, 0);
	leaf(7, 0)->a = 2;
	leaf(7, 0)->subleaf = ~0u;
	assert_refused(7, ~0u);
	leaf(0, ~0u)->a = 0xe;
	assert_refused(0, ~0u);
	leaf(0x80000000, ~0u)->a++;
	assert_refused(0x80000000, ~0u);
	msrs[1].idx = 0x10;
	assert_int_equal(give(), -EINVAL);
	assert_int_equal(e.msr, 0x10);
	fresh(NULL);
	msrs[0].flags = 1;
	assert_int_equal(give(), -EINVAL);
	fresh(NULL);
	nr = ROOM + 1;
	assert_int_equal(give(), -E2BIG);
}

static void random_lists_never_show_what_a_pv_guest_may_not_have(void **state)
{
	(void)state;
	srandom(1);
	for (unsigned round = 0; round < 20000; round++) {
		struct xen_cpuid_leaf *l = &list[random() % nr];

		(&l->a)[random() % 4] = random() << 1 ^ random();
		if (!(random() % 50))
			l->leaf ^= 1u << random() % 32;
		if (!(random() % 50))
			l->subleaf = random() % 70;
		p = pv_policy;
		if (give()) {
			fresh(NULL);
			continue;
		}
		for (u32 w = 0; w < X86_FEATURE_WORDS; w++) {
			u32 may = pv_policy.feature[w] | (w == FEATURE_E7D ? 1u << 8 : 0);

			assert_int_equal(p.feature[w] & ~may, 0);
			assert_int_equal(*policy_feature_word(&p, w), p.feature[w]);
		}
		assert_int_equal(p.xstate[0][EAX] & ~0xe7u, 0);
		assert_true(p.basic[0][EAX] <= 0xd);
	}
}

static void topology_comes_from_the_shifts_of_leaf_11(void **state)
{
	u32 threads = 9, cores = 9;

	(void)state;
	policy_topology(raw, &threads, &cores);
	assert_int_equal(threads, 1);
	assert_int_equal(cores, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_was_read_may_be_given_back_and_changes_nothing, fresh),
		cmocka_unit_test_setup(the_list_has_what_a_guest_sees, fresh),
		cmocka_unit_test_setup(room_is_not_exceeded_and_its_need_can_be_asked, fresh),
		cmocka_unit_test_setup(a_feature_taken_away_is_not_shown_and_one_added_is_dropped, fresh),
		cmocka_unit_test_setup(names_and_smaller_limits_are_taken, fresh),
		cmocka_unit_test_setup(what_no_policy_has_is_refused_by_name, fresh),
		cmocka_unit_test_setup(random_lists_never_show_what_a_pv_guest_may_not_have, fresh),
		cmocka_unit_test_setup(topology_comes_from_the_shifts_of_leaf_11, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
