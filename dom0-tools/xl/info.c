// SPDX-License-Identifier: MIT
/*
 * info: the machine and its hypervisor, as "name : value" lines of xl 4.17; with a word only the values of those lines
 * whose names begin so ("xl info free_memory"). dmesg: the hypervisor's log.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <xen/version.h>
#include "xl.h"

static const char *wanted;		/* the word; NULL: all */

__attribute__((format(printf, 2, 3)))
static void line(const char *name, const char *format, ...)
{
	va_list ap;

	if (wanted && strncmp(name, wanted, strlen(wanted)))
		return;
	if (!wanted)
		printf("%-23s: ", name);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
}

static void host(void)
{
	struct utsname uts;

	if (uname(&uts))
		return;
	line("host", "%s", uts.nodename);
	line("release", "%s", uts.release);
	line("version", "%s", uts.version);
	line("machine", "%s", uts.machine);
}

static void virt_caps(const struct xen_sysctl_physinfo *p)
{
	static const struct {
		uint32_t bits;
		const char *word;
	} caps[] = {
		{ XEN_SYSCTL_PHYSCAP_pv, "pv" }, { XEN_SYSCTL_PHYSCAP_hvm, "hvm" },
		{ XEN_SYSCTL_PHYSCAP_hvm | XEN_SYSCTL_PHYSCAP_directio, "hvm_directio" },
		{ XEN_SYSCTL_PHYSCAP_pv | XEN_SYSCTL_PHYSCAP_directio, "pv_directio" },
		{ XEN_SYSCTL_PHYSCAP_hap, "hap" }, { XEN_SYSCTL_PHYSCAP_shadow, "shadow" },
		{ XEN_SYSCTL_PHYSCAP_iommu_hap_pt_share, "iommu_hap_pt_share" }, { XEN_SYSCTL_PHYSCAP_vmtrace, "vmtrace" },
		{ XEN_SYSCTL_PHYSCAP_vpmu, "vpmu" }, { XEN_SYSCTL_PHYSCAP_gnttab_v1, "gnttab-v1" },
		{ XEN_SYSCTL_PHYSCAP_gnttab_v2, "gnttab-v2" },
	};
	char text[256] = "";
	int n = 0;

	for (unsigned int i = 0; i < sizeof(caps) / sizeof(caps[0]); i++)
		if ((p->capabilities & caps[i].bits) == caps[i].bits)
			n += snprintf(text + n, sizeof(text) - n, "%s%s", n ? " " : "", caps[i].word);
	line("virt_caps", "%s", text);
}

static unsigned long mib(uint64_t pages)
{
	return pages >> (20 - XC_PAGE_SHIFT);
}

static unsigned int free_cpus(void)
{
	uint8_t cpus[CPUMAP_BITS / 8] = { 0 };
	unsigned int n = 0;

	if (xc_pool_free_cpus(xl_xc(), cpus, sizeof(cpus)) >= 0)
		for (unsigned int i = 0; i < CPUMAP_BITS; i++)
			n += cpus[i / 8] >> i % 8 & 1;
	return n;
}

/* 0 also if the hypervisor has no such thing. */
static uint64_t shared_pages(unsigned int command)
{
	long n = xc_memory_op(xl_xc(), command, NULL, 0);

	return n > 0 ? n : 0;
}

static void numa(const struct xen_sysctl_physinfo *p)
{
	struct xen_sysctl_cputopo *cpus = calloc(CPUMAP_BITS, sizeof(*cpus));
	struct xen_sysctl_meminfo nodes[64];
	uint32_t distance[64 * 64];
	int nr;

	if (!cpus)
		abort();
	nr = xc_cpu_topology(xl_xc(), cpus, CPUMAP_BITS);
	if (nr < 0)
		xl_die_xc();
	printf("cpu_topology           :\ncpu:    core    socket     node\n");
	for (int i = 0; i < nr; i++)
		if (cpus[i].core != XEN_INVALID_CORE_ID)
			printf("%3d:    %4u     %4u     %4u\n", i, cpus[i].core, cpus[i].socket, cpus[i].node);
	free(cpus);
	printf("device topology        :\ndevice           node\nNo device topology data available\n");
	nr = xc_numa_info(xl_xc(), nodes, distance, 64);
	if (nr < 0)
		xl_die_xc();
	printf("numa_info              :\nnode:    memsize    memfree    distances\n");
	for (int i = 0; i < nr && i < 64; i++) {
		if (nodes[i].memsize == UINT64_MAX)
			continue;
		printf("%4d:    %6llu     %6llu      ", i, (unsigned long long)nodes[i].memsize >> 20,
		       (unsigned long long)nodes[i].memfree >> 20);
		for (int j = 0; j < nr; j++)
			printf(j ? ",%u" : "%u", distance[i * 64 + j]);
		putchar('\n');
	}
}

static void machine(bool with_numa)
{
	struct xen_sysctl_physinfo p;

	if (xc_physinfo(xl_xc(), &p) < 0)
		xl_die_xc();
	line("nr_cpus", "%u", p.nr_cpus);
	line("max_cpu_id", "%u", p.max_cpu_id);
	line("nr_nodes", "%u", p.nr_nodes);
	line("cores_per_socket", "%u", p.cores_per_socket);
	line("threads_per_core", "%u", p.threads_per_core);
	line("cpu_mhz", "%u.%03u", p.cpu_khz / 1000, p.cpu_khz % 1000);
	line("hw_caps", "%08x:%08x:%08x:%08x:%08x:%08x:%08x:%08x", p.hw_cap[0], p.hw_cap[1], p.hw_cap[2], p.hw_cap[3],
	     p.hw_cap[4], p.hw_cap[5], p.hw_cap[6], p.hw_cap[7]);
	virt_caps(&p);
	line("total_memory", "%lu", mib(p.total_pages));
	line("free_memory", "%lu", mib(p.free_pages - p.outstanding_pages));
	line("sharing_freed_memory", "%lu", mib(shared_pages(XENMEM_get_sharing_freed_pages)));
	line("sharing_used_memory", "%lu", mib(shared_pages(XENMEM_get_sharing_shared_pages)));
	line("outstanding_claims", "%lu", mib(p.outstanding_pages));
	line("free_cpus", "%u", free_cpus());
	if (with_numa && !wanted)
		numa(&p);
}

static const char *scheduler(void)
{
	switch (xc_sched_id(xl_xc())) {
	case XEN_SCHEDULER_CREDIT:
		return "credit";
	case XEN_SCHEDULER_CREDIT2:
		return "credit2";
	default:
		return "unknown";
	}
}

/* Text that the hypervisor has; "" if it doesn't say. */
static const char *version_text(unsigned int command, size_t size)
{
	static char text[1025];

	memset(text, 0, sizeof(text));
	if (xc_version(xl_xc(), command, text, size) < 0)
		text[0] = 0;
	return text;
}

static void compiler(void)
{
	struct xen_compile_info c = { 0 };

	if (xc_version(xl_xc(), XENVER_compile_info, &c, sizeof(c)) < 0)
		return;
	line("cc_compiler", "%.64s", c.compiler);
	line("cc_compile_by", "%.16s", c.compile_by);
	line("cc_compile_domain", "%.32s", c.compile_domain);
	line("cc_compile_date", "%.32s", c.compile_date);
}

static void build_id(void)
{
	struct {
		uint32_t len;
		uint8_t bytes[256];
	} id = { .len = 256 };
	char text[513] = "";
	long n = xc_version(xl_xc(), XENVER_build_id, &id, sizeof(id));

	for (long i = 0; i < n && i < 256; i++)
		sprintf(text + 2 * i, "%02x", id.bytes[i]);
	line("build_id", "%s", text);
}

static void hypervisor(void)
{
	long version = xc_version(xl_xc(), XENVER_version, NULL, 0);
	char extra[17];
	uint64_t start = 0;

	snprintf(extra, sizeof(extra), "%s", version_text(XENVER_extraversion, 16));
	line("xen_major", "%ld", version >> 16);
	line("xen_minor", "%ld", version & 0xffff);
	line("xen_extra", "%s", extra);
	line("xen_version", "%ld.%ld%s", version >> 16, version & 0xffff, extra);
	line("xen_caps", "%s", version_text(XENVER_capabilities, 1024));
	line("xen_scheduler", "%s", scheduler());
	line("xen_pagesize", "%ld", xc_version(xl_xc(), XENVER_pagesize, NULL, 0));
	if (xc_version(xl_xc(), XENVER_platform_parameters, &start, sizeof(start)) >= 0)
		line("platform_params", "virt_start=0x%llx", (unsigned long long)start);
	line("xen_changeset", "%s", version_text(XENVER_changeset, 64));
	line("xen_commandline", "%s", version_text(XENVER_commandline, 1024));
	compiler();
	build_id();
	line("xend_config_format", "4");
}

int verb_info(int argc, char **argv)
{
	static const struct option options[] = {
		{ "numa", no_argument, NULL, 'n' }, { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	bool with_numa = false;

	while (xl_option(argc, argv, "n", options, 0) != -1)
		with_numa = true;
	wanted = argv[optind];
	host();
	machine(with_numa);
	hypervisor();
	return 0;
}

int verb_dmesg(int argc, char **argv)
{
	static const struct option options[] = {
		{ "clear", no_argument, NULL, 'c' }, { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	const size_t size = 32768;
	char *text = malloc(size);
	bool clear = false;
	uint32_t index = 0;
	int n;

	if (!text)
		abort();
	while (xl_option(argc, argv, "c", options, 0) != -1)
		clear = true;
	/* All there is first, then what came meanwhile; the last call clears. */
	do {
		n = xc_console_read(xl_xc(), text, size, &index, false, true);
		if (n < 0)
			xl_die_xc();
		fwrite(text, 1, n, stdout);
	} while (n);
	if (clear && xc_console_read(xl_xc(), text, size, &index, true, true) < 0)
		xl_die_xc();
	free(text);
	return 0;
}
