// SPDX-License-Identifier: MIT
/*
 * XS_CONTROL: check, log, print, quota, quota-soft, help. What is not about the store itself (log files, memory
 * reports) the program around it answers.
 */
#include <ctype.h>
#include <errno.h>
#include "store.h"

static void say(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct buf *b, const char *format, ...)
{
	char text[256];
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	buf_put(b, text, len < (int)sizeof(text) ? (size_t)len : sizeof(text) - 1);
}

static void count_nodes(const struct node *n, uint32_t *counts, uint32_t *others)
{
	struct node *k;

	if (n->perms[0].domid < DOMID_FIRST_RESERVED)
		counts[n->perms[0].domid]++;
	else
		(*others)++;
	for (uint32_t i = 0; (k = node_next(n, &i));)
		count_nodes(k, counts, others);
}

/* Walks the whole tree and compares with what is counted. */
static int check(struct store *s)
{
	uint32_t *counts = xs_zalloc(DOMID_FIRST_RESERVED * sizeof(*counts)), others = 0;
	int err = 0;

	count_nodes(s->root, counts, &others);
	for (uint32_t i = 0; i < DOMID_FIRST_RESERVED; i++) {
		const struct dom *d = dom_find(s, i);

		if ((d ? d->nodes : 0) != counts[i]) {
			store_log(s, "check: domain %u has %u nodes, %u are counted", i, counts[i], d ? d->nodes : 0);
			err = EIO;
		}
	}
	free(counts);
	return err;
}

static int quota_set(struct store *s, const char *name, const char *value, bool soft)
{
	char *stop;
	unsigned long v = strtoul(value, &stop, 10);

	if (*stop || !isdigit((unsigned char)*value) || v > INT32_MAX)
		return EINVAL;
	if (soft && !strcmp(name, quota_names[QUOTA_MEMORY].name)) {
		s->quota_memory_soft = v;
		journal_quota(s);
		return 0;
	}
	for (int i = 0; !soft && i < QUOTA_COUNT; i++)
		if (!strcmp(name, quota_names[i].name)) {
			s->quota[i] = v;
			journal_quota(s);
			return 0;
		}
	return EINVAL;
}

static int quota_domain(struct store *s, const char *id, struct buf *out)
{
	const struct dom *d = dom_find(s, strtoul(id, NULL, 10));

	if (!d)
		return ENOENT;
	say(out, "Domain %u:\n", d->domid);
	say(out, "%-16s: %8u\n", "nodes", d->nodes);
	say(out, "%-16s: %8u\n", "watches", d->watches);
	say(out, "%-16s: %8u\n", "transactions", d->transactions);
	say(out, "%-16s: %8u\n", "outstanding", d->conn ? d->conn->out_replies : 0);
	say(out, "%-16s: %8llu\n", "memory", (unsigned long long)d->memory);
	buf_put(out, "", 1);
	return 0;
}

static int quota(struct store *s, unsigned int argc, const char **argv, bool soft, struct buf *out)
{
	if (argc == 4 && !strcmp(argv[1], "set"))
		return quota_set(s, argv[2], argv[3], soft);
	if (argc == 2 && !soft)
		return quota_domain(s, argv[1], out);
	if (argc != 1)
		return EINVAL;
	say(out, "Quota settings:\n");
	for (int i = 0; !soft && i < QUOTA_COUNT; i++)
		say(out, "%-17s: %8u %s\n", quota_names[i].name, s->quota[i], quota_names[i].what);
	if (soft)
		say(out, "%-17s: %8u %s\n", "memory", s->quota_memory_soft,
		    "Total Xenstore memory per domain (warning level)");
	buf_put(out, "", 1);
	return 0;
}

static const char help[] =
	"check\t\n"
	"log\ton|off\n"
	"logfile\t<file>\n"
	"memreport\t[<file>]\n"
	"print\t<string>\n"
	"quota\t[set <name> <val>|<domid>]\n"
	"quota-soft\t[set <name> <val>]\n"
	"help\t\n";

int control_request(struct conn *c, unsigned int argc, const char **argv, struct buf *answer)
{
	struct store *s = c->store;

	if (!strcmp(argv[0], "help")) {
		buf_str(answer, help);
		return 0;
	}
	if (!strcmp(argv[0], "check"))
		return argc == 1 ? check(s) : EINVAL;
	if (!strcmp(argv[0], "print")) {
		if (argc != 2)
			return EINVAL;
		store_log(s, "control: %s", argv[1]);
		return 0;
	}
	if (!strcmp(argv[0], "quota"))
		return quota(s, argc, argv, false, answer);
	if (!strcmp(argv[0], "quota-soft"))
		return quota(s, argc, argv, true, answer);
	if (s->host && s->host->control)
		return s->host->control(s->host_ctx, argc, argv, answer);
	return EINVAL;
}
