// SPDX-License-Identifier: MIT
/*
 * What is done about the weaknesses of CPUs: the plan for real models, what
 * options change, and which not-present entries L1TF could use.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>
#include "boot/cmdline.h"
#include "fake_machine.h"
#include "pv/l1tf.h"
#include "x86/protection.h"

#define F(x) X86_FEATURE_##x

/* A CPU by what counts here. */
struct model {
	const char *name;
	enum cpu_vendor vendor;
	u32 family, model;
	u64 caps;
	u32 feature[8]; /* ends with 0, which is no feature that matters */
	const char *plan; /* as people read it */
	const char *open;
};

static const struct model models[] = {
	{ "Haswell, microcode of 2019", VENDOR_INTEL, 6, 0x3c, 0,
	  { F(IBRSB), F(STIBP), F(MD_CLEAR), F(SSBD), F(SRBDS_CTRL) },
	  "retpolines, IBPB on a switch of vcpus, fences behind checks of pointers, VERW on exit, RNG lock", "" },
	{ "Haswell, no microcode", VENDOR_INTEL, 6, 0x3c, 0, { F(AVX2) },
	  "retpolines, fences behind checks of pointers", "MDS and its like (no MD_CLEAR), branch predictions across vcpus (no IBPB), special register buffers" },
	{ "Skylake client", VENDOR_INTEL, 6, 0x5e, 0,
	  { F(IBRSB), F(STIBP), F(MD_CLEAR), F(SSBD), F(SRBDS_CTRL) },
	  "IBRS on entry, IBPB on a switch of vcpus, fences behind checks of pointers, VERW on exit, RNG lock", "" },
	{ "Cascade Lake", VENDOR_INTEL, 6, 0x55,
	  ARCH_CAP_RDCL_NO | ARCH_CAP_IBRS_ALL | ARCH_CAP_SKIP_L1DFL | ARCH_CAP_MDS_NO | ARCH_CAP_FB_CLEAR,
	  { F(IBRSB), F(STIBP), F(MD_CLEAR), F(SSBD) },
	  "enhanced IBRS, branch history on entry, IBPB on a switch of vcpus, fences behind checks of pointers, VERW on exit", "" },
	{ "Sapphire Rapids", VENDOR_INTEL, 6, 0x8f,
	  ARCH_CAP_RDCL_NO | ARCH_CAP_IBRS_ALL | ARCH_CAP_MDS_NO | ARCH_CAP_TAA_NO | ARCH_CAP_SBDR_SSDP_NO |
		  ARCH_CAP_FBSDP_NO | ARCH_CAP_PSDP_NO | ARCH_CAP_GDS_NO | ARCH_CAP_RFDS_NO,
	  { F(IBRSB), F(STIBP), F(MD_CLEAR), F(SSBD), F(BHI_CTRL) },
	  "enhanced IBRS, BHI_DIS_S, IBPB on a switch of vcpus, fences behind checks of pointers", "" },
	{ "Zen 1", VENDOR_AMD, 0x17, 1, 0, { F(IBPB) },
	  "retpolines, IBPB on entry, return stack on entry, fences behind checks of pointers, division on exit", "" },
	{ "Zen 2", VENDOR_AMD, 0x17, 0x31, 0, { F(IBPB), F(AMD_IBRS), F(AMD_STIBP), F(AMD_SSBD) },
	  "retpolines, STIBP, IBPB on entry, return stack on entry, fences behind checks of pointers, DE_CFG against Zenbleed", "" },
	{ "Zen 3", VENDOR_AMD, 0x19, 0x21, 0, { F(IBPB), F(AMD_IBRS), F(AMD_STIBP), F(IBPB_RET), F(BTC_NO) },
	  "retpolines, IBPB on entry, fences behind checks of pointers", "" },
	{ "Zen 4", VENDOR_AMD, 0x19, 0x61, 0, { F(IBPB), F(AMD_IBRS), F(AUTO_IBRS), F(IBPB_RET), F(BTC_NO) },
	  "automatic IBRS, IBPB on entry, fences behind checks of pointers", "" },
	{ "Zen 5", VENDOR_AMD, 0x1a, 0x44, 0,
	  { F(IBPB), F(AMD_IBRS), F(AUTO_IBRS), F(IBPB_RET), F(BTC_NO), F(SRSO_NO), F(SSB_NO) },
	  "automatic IBRS, IBPB on a switch of vcpus, fences behind checks of pointers", "" },
	{ "an unknown maker's", VENDOR_OTHER, 6, 1, 0, { F(MD_CLEAR) },
	  "retpolines, branch history on entry, fences behind checks of pointers, VERW on exit, division on exit, DE_CFG against Zenbleed",
	  "branch predictions across vcpus (no IBPB), gather data sampling, special register buffers" },
};

static struct host_cpu cpu;
static struct host_protection needs;
static char text[320], open[320];

static void make_cpu(const struct model *m)
{
	memset(&cpu, 0, sizeof(cpu));
	cpu.vendor = m->vendor;
	cpu.family = m->family;
	cpu.model = m->model;
	for (u32 i = 0; i < ARRAY_SIZE(m->feature) && m->feature[i]; i++)
		cpu.feature[m->feature[i] / 32] |= 1u << m->feature[i] % 32;
	needs = policy_protection(&cpu, m->caps);
}

static const struct model *find(const char *name)
{
	for (u32 i = 0; i < ARRAY_SIZE(models); i++)
		if (!strcmp(models[i].name, name))
			return &models[i];
	fail_msg("no model %s", name);
	return NULL;
}

static struct protection_plan plan_of(const char *name, u32 on, u32 off, bool smep)
{
	const struct model *m = find(name);

	make_cpu(m);
	return protection_plan(&cpu, &needs, m->caps, on, off, smep);
}

static void each_model_gets_what_it_needs_and_can(void **state)
{
	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(models); i++) {
		struct protection_plan plan = plan_of(models[i].name, 0, 0, true);

		protection_describe(&plan, &needs, text, open, sizeof(text));
		if (strcmp(text, models[i].plan) || strcmp(open, models[i].open))
			fail_msg("%s: got \"%s\", open \"%s\"", models[i].name, text, open);
		assert_null(plan.missing);
	}
}

static void the_msr_is_switched_only_where_ibrs_is_not_enhanced(void **state)
{
	struct protection_plan plan = plan_of("Skylake client", 0, 0, true);

	(void)state;
	assert_int_equal(plan.spec_ctrl_hv, SPEC_CTRL_IBRS);
	assert_int_equal(plan.spec_ctrl_guest, 0);
	assert_true(plan.spec_ctrl_switch);
	plan = plan_of("Cascade Lake", SPEC_SSBD, 0, true);
	assert_int_equal(plan.spec_ctrl_hv, SPEC_CTRL_IBRS | SPEC_CTRL_SSBD);
	assert_int_equal(plan.spec_ctrl_guest, SPEC_CTRL_IBRS | SPEC_CTRL_SSBD);
	assert_false(plan.spec_ctrl_switch);
	plan = plan_of("Zen 4", 0, 0, true);
	assert_int_equal(plan.spec_ctrl_hv, 0);
	assert_true(plan.auto_ibrs);
}

static void without_smep_the_return_stack_is_overwritten(void **state)
{
	(void)state;
	assert_false(plan_of("Cascade Lake", 0, 0, true).rsb_entry);
	assert_true(plan_of("Cascade Lake", 0, 0, false).rsb_entry);
	assert_false(plan_of("Cascade Lake", 0, SPEC_RSB, false).rsb_entry);
}

static void without_ibrs_retpolines_take_its_place(void **state)
{
	(void)state;
	assert_int_equal(plan_of("Cascade Lake", 0, SPEC_IBRS, true).thunk, THUNK_RETPOLINE);
	assert_int_equal(plan_of("Cascade Lake", SPEC_THUNK_JMP, SPEC_IBRS, true).thunk, THUNK_JMP);
	assert_int_equal(plan_of("Cascade Lake", SPEC_THUNK_LFENCE, 0, true).thunk, THUNK_LFENCE);
	assert_int_equal(plan_of("Cascade Lake", SPEC_THUNK_RETPOLINE, 0, true).thunk, THUNK_RETPOLINE);
}

static void spec_ctrl_no_leaves_nothing(void **state)
{
	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(models); i++) {
		struct protection_plan plan = plan_of(models[i].name, 0, SPEC_ALL, false);

		protection_describe(&plan, &needs, text, open, sizeof(text));
		if (strcmp(text, "none"))
			fail_msg("%s: %s is left", models[i].name, text);
		assert_int_equal(plan.spec_ctrl_hv | plan.spec_ctrl_guest, 0);
	}
}

static void what_the_cpu_can_not_do_is_named(void **state)
{
	static const struct { u32 bit; const char *name; } wishes[] = {
		{ SPEC_IBRS, "ibrs" }, { SPEC_IBPB, "ibpb" }, { SPEC_IBPB_ENTRY, "ibpb-entry" }, { SPEC_STIBP, "stibp" },
		{ SPEC_SSBD, "ssbd" }, { SPEC_PSFD, "psfd" }, { SPEC_BHI_DIS_S, "bhi-dis-s" },
		{ SPEC_GDS_MIT, "gds-mit" }, { SPEC_SRB_LOCK, "srb-lock" },
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(wishes); i++) {
		struct protection_plan plan = plan_of("Haswell, no microcode", wishes[i].bit, 0, true);

		assert_string_equal(plan.missing, wishes[i].name);
	}
	/* What is instructions only works everywhere. */
	assert_null(plan_of("Haswell, no microcode",
			    SPEC_RSB | SPEC_BHB_ENTRY | SPEC_MD_CLEAR | SPEC_DIV_SCRUB | SPEC_THUNK_RETPOLINE, 0, true).missing);
}

static void each_wish_is_carried_out(void **state)
{
	struct protection_plan plan;

	(void)state;
	plan = plan_of("Zen 5", SPEC_RSB | SPEC_BHB_ENTRY | SPEC_MD_CLEAR | SPEC_DIV_SCRUB | SPEC_IBPB_ENTRY, 0, true);
	assert_true(plan.rsb_entry && plan.bhb_entry && plan.verw_exit && plan.div_exit && plan.ibpb_entry);
	assert_false(plan.ibpb_switch);
	plan = plan_of("Sapphire Rapids", SPEC_STIBP | SPEC_BHB_ENTRY, SPEC_BHI_DIS_S | SPEC_IBPB, true);
	assert_int_equal(plan.spec_ctrl_hv, SPEC_CTRL_IBRS | SPEC_CTRL_STIBP);
	assert_true(plan.bhb_entry);
	assert_false(plan.ibpb_switch);
}

static void tcg_predicts_nothing_but_keeps_what_cpuid_says_of_data(void **state)
{
	struct protection_plan plan;

	(void)state;
	make_cpu(find("Skylake client"));
	cpu.under_tcg = cpu.under_hypervisor = true;
	plan = protection_plan(&cpu, &needs, 0, 0, 0, false);
	protection_describe(&plan, &needs, text, open, sizeof(text));
	assert_string_equal(text, "VERW on exit, RNG lock");
	plan = protection_plan(&cpu, &needs, 0, SPEC_IBRS | SPEC_IBPB, 0, false);
	assert_true(plan.spec_ctrl_switch && plan.ibpb_switch);
	make_cpu(find("Zen 2"));
	cpu.under_tcg = cpu.under_hypervisor = true;
	plan = protection_plan(&cpu, &needs, 0, 0, 0, false);
	protection_describe(&plan, &needs, text, open, sizeof(text));
	assert_string_equal(text, "none");
}

/* ---- L1TF ------------------------------------------------------------------------------------ */

static void only_not_present_entries_that_name_memory_leak(void **state)
{
	struct domain d = { 0 };

	(void)state;
	l1tf_init(39);
	assert_false(l1tf_leaks(&d, 0x5000, 1)); /* not asked for */
	d.pv.l1tf_end = GiB(4);
	assert_false(l1tf_leaks(&d, 0, 1));
	assert_false(l1tf_leaks(&d, 0xe7e, 1)); /* flags only */
	assert_true(l1tf_leaks(&d, 0x1000, 1));
	assert_true(l1tf_leaks(&d, GiB(4) - PAGE_SIZE, 1));
	assert_false(l1tf_leaks(&d, GiB(4), 1));
	/* Linux inverts: a low frame's entry has all upper bits set. */
	assert_false(l1tf_leaks(&d, ~0x5000ULL & PTE_MFN_MASK, 1));
	/* Bits that this CPU does not have lift nothing out of reach. */
	assert_true(l1tf_leaks(&d, 0x5000 | 1ULL << 39, 1));
	assert_true(l1tf_leaks(&d, 0x5000 | 1ULL << 51, 1));
	assert_false(l1tf_leaks(&d, 0x5000 | 1ULL << 38, 1));
	assert_true(l1tf_leaks(&d, 0x5000 | PTE_NX | PTE_U, 3));
	/* The first megabytes hold the hypervisor. PSE is PAT in an L1 entry. */
	assert_true(l1tf_leaks(&d, PTE_PSE, 2));
	assert_true(l1tf_leaks(&d, PTE_PSE, 3));
	assert_false(l1tf_leaks(&d, PTE_PSE, 1));
	l1tf_init(52);
	assert_false(l1tf_leaks(&d, 0x5000 | 1ULL << 51, 1));
}

static void a_table_is_looked_at_but_for_the_hypervisors_slots(void **state)
{
	static u64 table[512];
	struct domain d = { .pv.l1tf_end = GiB(4) };

	(void)state;
	l1tf_init(39);
	table[511] = 0x5000;
	assert_int_equal(l1tf_check_table(&d, table, 1), -EINVAL);
	table[511] = 0x5000 | PTE_P;
	assert_int_equal(l1tf_check_table(&d, table, 1), 0);
	table[HV_SLOT_FIRST] = table[HV_SLOT_LAST] = 0x5000;
	assert_int_equal(l1tf_check_table(&d, table, 4), 0);
	assert_int_equal(l1tf_check_table(&d, table, 3), -EINVAL);
	table[HV_SLOT_LAST + 1] = 0x5000;
	assert_int_equal(l1tf_check_table(&d, table, 4), -EINVAL);
	d.pv.l1tf_end = 0;
	assert_int_equal(l1tf_check_table(&d, table, 4), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_model_gets_what_it_needs_and_can),
		cmocka_unit_test(the_msr_is_switched_only_where_ibrs_is_not_enhanced),
		cmocka_unit_test(without_smep_the_return_stack_is_overwritten),
		cmocka_unit_test(without_ibrs_retpolines_take_its_place),
		cmocka_unit_test(spec_ctrl_no_leaves_nothing),
		cmocka_unit_test(what_the_cpu_can_not_do_is_named),
		cmocka_unit_test(each_wish_is_carried_out),
		cmocka_unit_test(tcg_predicts_nothing_but_keeps_what_cpuid_says_of_data),
		cmocka_unit_test(only_not_present_entries_that_name_memory_leak),
		cmocka_unit_test(a_table_is_looked_at_but_for_the_hypervisors_slots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
