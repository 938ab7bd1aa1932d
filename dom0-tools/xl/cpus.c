// SPDX-License-Identifier: MIT
/*
 * Lists of CPUs: "0-3,5,^1", "all", "nodes:0-1,^node:1". Pieces apply from left to right, so "^1,0-3" has CPU 1 and
 * "0-3,^1" has not. CPUs that the machine doesn't have are taken as if they were not named; that is left to the caller.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config.h"

static const char grammar[] = "not a list of CPUs; accepted are pieces like 2, 0-3, ^1, all, nodes:0-1, ^node:1 with "
			      "commas between them";

static bool read_number(const char **p, unsigned int *n)
{
	unsigned long value = 0;
	const char *s = *p;

	if (*s < '0' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++) {
		value = value * 10 + (*s - '0');
		if (value > 1000000)
			return false;
	}
	*n = value;
	*p = s;
	return true;
}

static void put(struct cpumap *map, unsigned int cpu, bool out)
{
	if (cpu >= CPUMAP_BITS)
		return;
	if (out)
		map->word[cpu / 64] &= ~(1ULL << cpu % 64);
	else
		cpumap_set(map, cpu);
}

/* A whole node, or a CPU. */
static void put_one(struct cpumap *map, const struct cpu_topology *t, unsigned int n, bool node, bool out)
{
	if (!node) {
		put(map, n, out);
		return;
	}
	for (unsigned int cpu = 0; t && cpu < t->nr_cpus; cpu++)
		if (t->node_of && t->node_of[cpu] == (int)n)
			put(map, cpu, out);
}

static bool piece(struct cpumap *map, const struct cpu_topology *t, const char **p, const char **why)
{
	bool out = false, node = false;
	unsigned int first, last;

	*why = grammar;
	if (**p == '^') {
		out = true;
		(*p)++;
	}
	if (!strncmp(*p, "node", 4)) {
		*p += 4;
		if (**p == 's')
			(*p)++;
		if (**p != ':')
			return false;
		(*p)++;
		node = true;
		if (**p == '^') {
			out = true;
			(*p)++;
		}
	}
	if (!strncmp(*p, "all", 3)) {
		*p += 3;
		if (out)
			*why = "`^' and `all' can't be used together";
		for (unsigned int cpu = 0; t && cpu < t->nr_cpus; cpu++)
			put(map, cpu, false);
		return !out;
	}
	if (!read_number(p, &first))
		return false;
	last = first;
	if (**p == '-') {
		(*p)++;
		if (!read_number(p, &last))
			return false;
		if (last < first) {
			*why = "a range of CPUs has to go upwards, like 0-3";
			return false;
		}
	}
	for (unsigned int n = first; n <= last && n < CPUMAP_BITS; n++)
		put_one(map, t, n, node, out);
	return true;
}

int cpus_parse(struct cpumap *map, const char *text, const struct cpu_topology *topology, const char **why)
{
	const char *p = text;

	memset(map, 0, sizeof(*map));
	if (!strcmp(text, "none"))
		return 0;
	while (*p) {
		if (*p == ',' || *p == ' ') {
			p++;
			continue;
		}
		if (!piece(map, topology, &p, why) || (*p && *p != ',' && *p != ' ')) {
			memset(map, 0, sizeof(*map));
			return -EINVAL;
		}
	}
	return 0;
}

char *cpus_format(const struct cpumap *map, unsigned int nr_cpus, char *buf, size_t size)
{
	unsigned int cpu = 0, set = 0;
	size_t n = 0;

	for (unsigned int i = 0; i < nr_cpus && i < CPUMAP_BITS; i++)
		set += cpumap_test(map, i);
	if (!set || set == nr_cpus) {
		snprintf(buf, size, "%s", set ? "all" : "none");
		return buf;
	}
	if (size)
		buf[0] = 0;
	while (cpu < nr_cpus && n < size) {
		unsigned int first = cpu;

		while (cpu < nr_cpus && cpumap_test(map, cpu))
			cpu++;
		if (cpu == first) {
			cpu++;
			continue;
		}
		n += snprintf(buf + n, size - n, cpu - first > 1 ? "%s%u-%u" : "%s%u", n ? "," : "", first, cpu - 1);
	}
	return buf;
}
