// SPDX-License-Identifier: MIT
/*
 * Fuzzes the parsers of xl. The first byte says which: c an xl.cfg (the rest up to a zero byte, what follows is the
 * command line's), x an xl.conf, d a disk, v a network interface, p a list of CPUs, r a rate; others are an xl.cfg too.
 * Whatever is accepted has to be whole: a name, a vdev, memory, JSON that can be read.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_tree.h>
#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned int errors;

static void say(void *arg, bool is_error, const char *line)
{
	errors += is_error;
	if (!*line || strchr(line, '\n'))
		abort();
}

static const struct reporter reporter = { .say = say };

static void must_hold(bool good)
{
	if (!good)
		abort();
}

static void config(const char *text, size_t len, const char *extra)
{
	static const int nodes[] = { 0, 0, 1, 1 };
	const struct cpu_topology topology = { 4, 2, nodes };
	struct guest_config c;
	yajl_val tree;
	char why[256], *json;
	int rc;

	errors = 0;
	rc = config_parse(&c, "fuzz", text, len, extra, NULL, &reporter);
	must_hold(!rc == !errors);
	if (rc)
		return;
	must_hold(c.name && *c.name && c.memory && c.maxmem >= c.memory && c.vcpus && c.maxvcpus >= c.vcpus && c.source);
	json = config_to_json(&c, &topology, 3, false);
	tree = yajl_tree_parse(json, why, sizeof(why));
	/* A string that is no UTF-8 makes JSON that is none; so does libxl. */
	for (const char *p = json; *p && !tree; p++)
		if (*p & 0x80)
			tree = yajl_tree_parse("{}", why, sizeof(why));
	must_hold(tree);
	yajl_tree_free(tree);
	free(json);
	config_free(&c);
}

static void disk(const char *text)
{
	struct disk_config d;

	if (disk_parse(&d, &text, 1, "fuzz", &reporter))
		return;
	must_hold(d.vdev && *d.vdev && disk_vdev_number(d.vdev, NULL, NULL) >= 0 && d.format);
	disk_free(&d);
}

static void vif(const char *text)
{
	struct vif_config v;

	if (!vif_parse(&v, &text, 1, "fuzz", &reporter))
		vif_free(&v);
}

static void cpus(const char *text)
{
	static const int nodes[] = { 0, 0, 1, -1, 1 };
	const struct cpu_topology topology = { 5, 2, nodes };
	struct cpumap map, again;
	const char *why;
	char buf[64];

	if (cpus_parse(&map, text, &topology, &why))
		return;
	/* What is written of it means the same. */
	for (unsigned int i = 5; i < CPUMAP_BITS; i++)
		map.word[i / 64] &= ~(1ULL << i % 64);
	must_hold(!cpus_parse(&again, cpus_format(&map, 5, buf, sizeof(buf)), &topology, &why));
	must_hold(!memcmp(&map, &again, sizeof(map)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	uint64_t bytes;
	uint32_t usecs;
	const char *why;

	memcpy(text, data, size);
	text[size] = 0;
	if (size && *text == 'd') {
		disk(text + 1);
	} else if (size && *text == 'v') {
		vif(text + 1);
	} else if (size && *text == 'p') {
		cpus(text + 1);
	} else if (size && *text == 'r') {
		must_hold(vif_parse_rate(text + 1, &bytes, &usecs, &why) || usecs);
	} else if (size && *text == 'x') {
		struct xl_conf conf;

		xl_conf_parse(&conf, "fuzz", text + 1, size - 1, &reporter);
		xl_conf_free(&conf);
	} else if (size) {
		size_t first = strlen(text + 1);
		/* Exactly as long as it says, so that reading behind the end is noticed. */
		char *exact = malloc(first + !first);

		memcpy(exact, text + 1, first);
		config(exact, first, first + 1 < size ? text + first + 2 : NULL);
		free(exact);
	}
	free(text);
	return 0;
}
