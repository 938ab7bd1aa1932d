// SPDX-License-Identifier: MIT
/*
 * The command line: values, defaults, and the sentences about mistakes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/cmdline.h"

static char said[8192];
static int sentences;

static void say(enum log_level lvl, const char *sentence)
{
	size_t used = strlen(said);

	(void)lvl;
	sentences++;
	assert_null(strchr(sentence, '\n'));
	snprintf(said + used, sizeof(said) - used, "%s\n", sentence);
}

/* Parses a heap copy, so that AddressSanitizer guards its end. */
static int parse(const char *line, struct hv_options *o)
{
	char *copy = strdup(line);
	int rc;

	said[0] = 0;
	sentences = 0;
	memset(o, 0xee, sizeof(*o));
	rc = cmdline_parse(copy, o, say);
	o->dom0_extra = o->dom0_extra ? line + (o->dom0_extra - copy) : NULL;
	free(copy);
	return rc;
}

/* The line is right: nothing to say. */
static struct hv_options good(const char *line)
{
	struct hv_options o;

	assert_int_equal(parse(line, &o), 0);
	assert_string_equal(said, "");
	assert_string_equal(o.fatal, "");
	return o;
}

/* One option has a wrong value: it is named, all options have their defaults. */
static void wrong(const char *line)
{
	struct hv_options o, defaults;

	cmdline_parse(NULL, &defaults, NULL);
	assert_int_equal(parse(line, &o), 0);
	assert_int_equal(sentences, 1);
	assert_non_null(strstr(said, line));
	assert_non_null(strstr(said, "accepted is"));
	assert_memory_equal(&o, &defaults, sizeof(o));
}

static void stops(const char *line)
{
	struct hv_options o;

	assert_int_equal(parse(line, &o), -EINVAL);
	assert_true(strlen(o.fatal) > 20);
	assert_true(strlen(o.fatal) < sizeof(o.fatal) - 1);
}

static void ignored(const char *line)
{
	struct hv_options o;

	assert_int_equal(parse(line, &o), 0);
	assert_int_equal(sentences, 1);
	assert_non_null(strstr(said, "not supported by Xenolith, ignored"));
}

static void no_line_gives_the_defaults(void **state)
{
	struct hv_options o;

	(void)state;
	assert_int_equal(cmdline_parse(NULL, &o, NULL), 0);
	assert_int_equal(o.console, CONSOLE_COM1 | CONSOLE_VGA);
	assert_int_equal(o.com1.baud, 115200);
	assert_int_equal(o.com1.data_bits, 8);
	assert_int_equal(o.com1.parity, 'n');
	assert_int_equal(o.com1.stop_bits, 1);
	assert_int_equal(o.com1.iobase, 0x3f8);
	assert_int_equal(o.com1.irq, 4);
	assert_int_equal(o.maxcpus, ~0U);
	assert_int_equal(o.dom0_vcpus_min, 1);
	assert_int_equal(o.dom0_vcpus_max, ~0U);
	assert_true(o.smap && o.smep);
	assert_false(o.noreboot || o.sync_console);
	assert_int_equal(o.xpti_dom0, AS_NEEDED);
	assert_int_equal(o.xpti_domu, AS_NEEDED);
	assert_false(o.dom0_mem.given);
	assert_null(o.dom0_extra);
	good("");
	good("   ");
}

static void console_takes_a_list(void **state)
{
	(void)state;
	assert_int_equal(good("console=com1").console, CONSOLE_COM1);
	assert_int_equal(good("console=vga,com1").console, CONSOLE_COM1 | CONSOLE_VGA);
	assert_int_equal(good("console=none").console, 0);
	assert_int_equal(good("console=vga console=com1").console, CONSOLE_COM1);
	wrong("console=com7");
	wrong("console=com1,,vga");
	wrong("console");
	wrong("console=");
}

static void com1_fields_are_checked_and_may_be_left_out(void **state)
{
	struct hv_options o = good("com1=38400,7e2,0x2f8,3");

	(void)state;
	assert_int_equal(o.com1.baud, 38400);
	assert_int_equal(o.com1.data_bits, 7);
	assert_int_equal(o.com1.parity, 'e');
	assert_int_equal(o.com1.stop_bits, 2);
	assert_int_equal(o.com1.iobase, 0x2f8);
	assert_int_equal(o.com1.irq, 3);
	o = good("com1=9600");
	assert_int_equal(o.com1.baud, 9600);
	assert_int_equal(o.com1.iobase, 0x3f8);
	o = good("com1=,,0x2f8");
	assert_int_equal(o.com1.baud, 115200);
	assert_int_equal(o.com1.iobase, 0x2f8);
	wrong("com1=115201");
	wrong("com1=0");
	wrong("com1=115200,9n1");
	wrong("com1=115200,8x1");
	wrong("com1=115200,8n3");
	wrong("com1=115200,8n");
	wrong("com1=115200,8n1,0x3f8z");
	wrong("com1=115200,8n1,0x10000");
	wrong("com1=115200,8n1,0x3f8,256");
	wrong("com1=115200,8n1,0x3f8,4,5");
	wrong("com1=99999999999999999999");
}

static void log_levels_have_a_lower_and_an_upper_bound(void **state)
{
	struct hv_options o = good("loglvl=all guest_loglvl=none/info");

	(void)state;
	assert_int_equal(o.loglvl.always, 4);
	assert_int_equal(o.loglvl.limited, 4);
	assert_int_equal(o.guest_loglvl.always, 0);
	assert_int_equal(o.guest_loglvl.limited, 3);
	o = good("loglvl=warning/error");
	assert_int_equal(o.loglvl.always, 2);
	assert_int_equal(o.loglvl.limited, 2);
	o = good("loglvl=none");
	assert_int_equal(o.loglvl.limited, 0);
	wrong("loglvl=loud");
	wrong("loglvl=info/");
	wrong("guest_loglvl=/info");
}

static void dom0_memory_has_units_bounds_and_minus(void **state)
{
	struct hv_options o = good("dom0_mem=512M,max:1g");

	(void)state;
	assert_true(o.dom0_mem.given && o.dom0_mem.bytes == MiB(512));
	assert_true(o.dom0_mem_max.given && o.dom0_mem_max.bytes == GiB(1));
	assert_false(o.dom0_mem_min.given);
	o = good("dom0_mem=262144");
	assert_true(o.dom0_mem.bytes == MiB(256)); /* KiB, as with Xen */
	o = good("dom0_mem=min:64M,-128M");
	assert_true(o.dom0_mem.less && o.dom0_mem.bytes == MiB(128));
	assert_true(o.dom0_mem_min.bytes == MiB(64));
	wrong("dom0_mem=512");
	wrong("dom0_mem=0");
	wrong("dom0_mem=512MB");
	wrong("dom0_mem=512M,max:");
	wrong("dom0_mem=512M,1G");
	wrong("dom0_mem=big");
	wrong("dom0_mem=-");
	wrong("dom0_mem=99999999T");
	wrong("dom0_mem");
}

static void dom0_bytes_stay_inside_the_bounds_and_the_machine(void **state)
{
	struct hv_options o = good("");
	u64 max;

	(void)state;
	assert_true(cmdline_dom0_bytes(&o, GiB(8), &max) == GiB(8) - MiB(128));
	assert_true(cmdline_dom0_bytes(&o, MiB(512), &max) == MiB(480));
	o = good("dom0_mem=512M,max:1G");
	assert_true(cmdline_dom0_bytes(&o, GiB(8), &max) == MiB(512));
	assert_true(max == GiB(1));
	assert_true(cmdline_dom0_bytes(&o, MiB(300), &max) == MiB(300));
	o = good("dom0_mem=-1G,min:512M");
	assert_true(cmdline_dom0_bytes(&o, GiB(4), &max) == GiB(3));
	assert_true(cmdline_dom0_bytes(&o, GiB(1), &max) == MiB(512));
	o = good("dom0_mem=max:256M");
	assert_true(cmdline_dom0_bytes(&o, GiB(4), &max) == MiB(256));
	assert_true(max == MiB(256));
	o = good("dom0_mem=2G,max:1G");
	assert_true(cmdline_dom0_bytes(&o, GiB(4), &max) == GiB(1));
	assert_int_equal(cmdline_dom0_bytes(&o, 12345, &max) % 4096, 0);
}

static void cpu_counts_and_ranges(void **state)
{
	struct hv_options o = good("maxcpus=4 dom0_max_vcpus=2");

	(void)state;
	assert_int_equal(o.maxcpus, 4);
	assert_int_equal(o.dom0_vcpus_min, 2);
	assert_int_equal(o.dom0_vcpus_max, 2);
	o = good("dom0_max_vcpus=2-8");
	assert_int_equal(o.dom0_vcpus_min, 2);
	assert_int_equal(o.dom0_vcpus_max, 8);
	o = good("dom0_max_vcpus=-8");
	assert_int_equal(o.dom0_vcpus_min, 1);
	assert_int_equal(o.dom0_vcpus_max, 8);
	o = good("dom0_max_vcpus=4-");
	assert_int_equal(o.dom0_vcpus_min, 4);
	assert_int_equal(o.dom0_vcpus_max, ~0U);
	wrong("dom0_max_vcpus=8-2");
	wrong("dom0_max_vcpus=0");
	wrong("dom0_max_vcpus=-");
	wrong("dom0_max_vcpus=two");
	wrong("maxcpus=0");
	wrong("maxcpus=-1");
	wrong("maxcpus");
}

static void booleans_have_many_spellings(void **state)
{
	(void)state;
	assert_true(good("noreboot").noreboot);
	assert_true(good("noreboot=yes").noreboot);
	assert_false(good("noreboot noreboot=0").noreboot);
	assert_true(good("sync_console").sync_console);
	assert_true(good("sync-console=on").sync_console);
	assert_false(good("smap=off").smap);
	assert_false(good("no-smap").smap);
	assert_false(good("smep=disable").smep);
	assert_true(good("smep=0 smep=true").smep);
	wrong("smap=hvm");
	wrong("smep=maybe");
	wrong("no-smep=1");
	wrong("noreboot=");
}

static void xpti_is_chosen_per_kind_of_domain(void **state)
{
	struct hv_options o = good("xpti=dom0=off,domu=on");

	(void)state;
	assert_int_equal(o.xpti_dom0, 0);
	assert_int_equal(o.xpti_domu, 1);
	o = good("xpti");
	assert_int_equal(o.xpti_dom0, 1);
	assert_int_equal(o.xpti_domu, 1);
	o = good("xpti=on xpti=default,domu=0");
	assert_int_equal(o.xpti_dom0, AS_NEEDED);
	assert_int_equal(o.xpti_domu, 0);
	assert_int_equal(good("no-xpti").xpti_dom0, 0);
	stops("xpti=strong");
	stops("xpti=dom1=on");
	stops("xpti=dom0=perhaps");
	stops("xpti=");
}

static void pv_l1tf_is_chosen_for_dom0_and_the_others(void **state)
{
	struct hv_options o = good("pv-l1tf");

	(void)state;
	assert_int_equal(o.l1tf_dom0, 1);
	assert_int_equal(o.l1tf_domu, 1);
	o = good("pv-l1tf=dom0=off");
	assert_int_equal(o.l1tf_dom0, 0);
	assert_int_equal(o.l1tf_domu, AS_NEEDED);
	o = good("pv-l1tf=no,domu=1 spec-ctrl=no");
	assert_int_equal(o.l1tf_dom0, 0);
	assert_int_equal(o.l1tf_domu, 1);
	stops("pv-l1tf=domu=perhaps");
}

static void spec_ctrl_promises_only_what_is_there(void **state)
{
	struct hv_options o = good("spec-ctrl=no-ibrs,eager-fpu,ssbd=off,bti-thunk=jmp,md-clear=pv=no,no-xen,pv=off");

	(void)state;
	assert_true(o.spec_on & SPEC_EAGER_FPU);
	assert_true(o.spec_off & SPEC_IBRS);
	assert_false(o.spec_off & SPEC_EAGER_FPU);
	assert_int_equal(o.xpti_dom0, AS_NEEDED);
	o = good("spec-ctrl=no");
	assert_int_equal(o.spec_off, SPEC_ALL);
	assert_int_equal(o.xpti_dom0, 0);
	assert_int_equal(o.xpti_domu, 0);
	o = good("xpti=1 spec-ctrl=off");
	assert_int_equal(o.xpti_dom0, 1);
	assert_int_equal(o.l1tf_dom0, 0);
	assert_int_equal(o.l1tf_domu, 0);
	o = good("spec-ctrl=no,bti-thunk=lfence,ibpb");
	assert_int_equal(o.spec_off, SPEC_ALL & ~(SPEC_THUNK_LFENCE | SPEC_IBPB));
	assert_int_equal(o.spec_on, SPEC_THUNK_LFENCE | SPEC_IBPB);
	o = good("spec-ctrl=bti-thunk=lfence,bti-thunk=retpoline,verw,bhb-entry=pv=on");
	assert_int_equal(o.spec_on, SPEC_THUNK_RETPOLINE | SPEC_MD_CLEAR | SPEC_BHB_ENTRY);
	o = good("spec-ctrl=no-xen,rsb,xen");
	assert_int_equal(o.spec_on, SPEC_RSB);
	assert_int_equal(o.spec_off, 0);
	o = good("spec-ctrl=off,on");
	assert_int_equal(o.spec_off, 0);
	stops("spec-ctrl=l1d-flush");
	stops("spec-ctrl=eager-fpu,unpriv-mmio=yes");
	stops("spec-ctrl=msr-sc");
	stops("spec-ctrl=ibrz");
	stops("spec-ctrl=no-ibrs=1");
	stops("spec-ctrl=");
}

static void what_promises_protection_stops_the_boot(void **state)
{
	(void)state;
	stops("iommu=required");
	stops("iommu=force");
	stops("iommu=no-igfx,dom0-strict");
	stops("iommu=1");
	stops("iommu");
	stops("dom0-iommu=strict");
	stops("flask=enforcing");
	stops("xsm=flask");
	stops("cet=shstk");
	stops("cet=1");
	stops("smt=off");
	stops("no-smt");
	stops("tsx=0");
	stops("sched-gran=core");
	stops("dom0_ioports_disable=0x60-0x64");
	ignored("iommu=off");
	ignored("iommu=no,verbose");
	ignored("no-iommu");
	ignored("iommu=dom0-passthrough");
	ignored("flask=disabled");
	ignored("cet=no-shstk,ibt=0");
	ignored("smt=1");
	ignored("smt");
	ignored("tsx=on");
	ignored("sched-gran=cpu");
}

static void the_first_reason_to_stop_is_kept(void **state)
{
	struct hv_options o;

	(void)state;
	assert_int_equal(parse("console=vga iommu=required flask=enforcing maxcpus=2", &o), -EINVAL);
	assert_non_null(strstr(o.fatal, "iommu=required"));
	/* The rest of the line still counts. */
	assert_int_equal(o.console, CONSOLE_VGA);
	assert_int_equal(o.maxcpus, 2);
}

static void options_of_xen_are_named_once(void **state)
{
	struct hv_options o;

	(void)state;
	ignored("noirqbalance");
	ignored("sched=credit2");
	ignored("sched=credit sched=null");
	ignored("no-cpuidle");
	ignored("com2=115200,8n1");
	assert_int_equal(parse("ucode=scan dom0_vcpus_pin watchdog ucode=1", &o), 0);
	assert_int_equal(sentences, 1);
}

static void unknown_options_are_called_unknown(void **state)
{
	struct hv_options o;

	(void)state;
	assert_int_equal(parse("console=com1 consle=vga", &o), 0);
	assert_int_equal(sentences, 1);
	assert_non_null(strstr(said, "unknown option consle=vga"));
	assert_int_equal(o.console, CONSOLE_COM1);
	/* No abbreviations. */
	parse("maxcpus=1 maxcpu=4 smaps", &o);
	assert_int_equal(sentences, 2);
	assert_int_equal(o.maxcpus, 1);
}

static void the_first_word_may_be_the_images_name(void **state)
{
	(void)state;
	assert_int_equal(good("build/xenolith maxcpus=2").maxcpus, 2);
	assert_int_equal(good("/boot/a=b/xenolith maxcpus=2").maxcpus, 2);
	assert_int_equal(good("xenolith maxcpus=2").maxcpus, 2);
	assert_int_equal(good("maxcpus=2").maxcpus, 2);
}

static void text_behind_two_dashes_is_dom0s(void **state)
{
	struct hv_options o = good("xenolith noreboot --  quiet maxcpus=1");

	(void)state;
	assert_string_equal(o.dom0_extra, "quiet maxcpus=1");
	assert_int_equal(o.maxcpus, ~0U);
	assert_null(good("noreboot --").dom0_extra);
	assert_null(good("noreboot -- ").dom0_extra);
}

static void dom0_is_pv_only(void **state)
{
	(void)state;
	good("dom0=pv");
	wrong("dom0=pvh");
	wrong("dom0=pv,shadow");
}

static void long_and_odd_words_do_no_harm(void **state)
{
	struct hv_options o;
	char line[5000];
	u64 seed = 7;

	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = 0;
	memcpy(line, "a spec-ctrl=", 12);
	assert_int_equal(parse(line, &o), -EINVAL);
	memcpy(line, "a xx loglvl=", 12);
	assert_int_equal(parse(line, &o), 0);
	for (int turn = 0; turn < 20000; turn++) {
		static const char *const bits[] = { "iommu", "xpti", "=", ",", "-", "no-", "dom0", ":", "/", "com1", " ",
						    "max:", "spec-ctrl", "0x", "9", "M", "dom0_mem", "smt", "cet", "on" };
		size_t n = 0;

		for (int k = 0; k < 12; k++) {
			const char *bit;

			seed = seed * 6364136223846793005 + 1442695040888963407;
			bit = bits[(seed >> 33) % ARRAY_SIZE(bits)];
			memcpy(line + n, bit, strlen(bit));
			n += strlen(bit);
		}
		line[n] = 0;
		parse(line, &o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_line_gives_the_defaults),
		cmocka_unit_test(console_takes_a_list),
		cmocka_unit_test(com1_fields_are_checked_and_may_be_left_out),
		cmocka_unit_test(log_levels_have_a_lower_and_an_upper_bound),
		cmocka_unit_test(dom0_memory_has_units_bounds_and_minus),
		cmocka_unit_test(dom0_bytes_stay_inside_the_bounds_and_the_machine),
		cmocka_unit_test(cpu_counts_and_ranges),
		cmocka_unit_test(booleans_have_many_spellings),
		cmocka_unit_test(xpti_is_chosen_per_kind_of_domain),
		cmocka_unit_test(pv_l1tf_is_chosen_for_dom0_and_the_others),
		cmocka_unit_test(spec_ctrl_promises_only_what_is_there),
		cmocka_unit_test(what_promises_protection_stops_the_boot),
		cmocka_unit_test(the_first_reason_to_stop_is_kept),
		cmocka_unit_test(options_of_xen_are_named_once),
		cmocka_unit_test(unknown_options_are_called_unknown),
		cmocka_unit_test(the_first_word_may_be_the_images_name),
		cmocka_unit_test(text_behind_two_dashes_is_dom0s),
		cmocka_unit_test(dom0_is_pv_only),
		cmocka_unit_test(long_and_odd_words_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
