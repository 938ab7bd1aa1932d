// SPDX-License-Identifier: MIT
/*
 * Disks: xl-disk-configuration(5). A specification is a row of parameters with commas between them: KEY=VALUE, a flag,
 * or one of the positions target, format, vdev, access in that order, each at most once. "target=" takes all of the
 * rest, so a target may hold commas. Besides there is what xend and early xl had: prefixes of the target ("phy:",
 * "tap:aio:"), which leave the format out of the order of positions, and ":cdrom" behind the vdev.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config_parts.h"

struct parse {
	struct disk_config *disk;
	const char *where;
	const struct reporter *r;
	bool have_target, have_format, have_vdev, have_access;	/* positions that are taken */
	bool named_access;		/* access was given, not only passed over */
};

__attribute__((format(printf, 2, 3)))
static int wrong(struct parse *p, const char *format, ...)
{
	char text[512], line[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	snprintf(line, sizeof(line), "%s: %s", p->where, text);
	report_line(p->r, true, line);
	return -EINVAL;
}

static void set(char **field, const char *text)
{
	free(*field);
	*field = copy(text);
}

static int set_format(struct parse *p, const char *text)
{
	static const struct {
		const char *name;
		enum disk_format format;
	} formats[] = {
		{ "", DISK_RAW }, { "raw", DISK_RAW }, { "qcow", DISK_QCOW }, { "qcow2", DISK_QCOW2 },
		{ "vhd", DISK_VHD }, { "qed", DISK_QED }, { "vmdk", DISK_VMDK }, { "empty", DISK_EMPTY },
	};

	for (unsigned int i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (!strcmp(text, formats[i].name)) {
			p->disk->format = formats[i].format;
			return 0;
		}
	return wrong(p, "unknown format `%s'; accepted are raw, qcow, qcow2, vhd, qed, vmdk", text);
}

static int set_access(struct parse *p, const char *text)
{
	if (!strcmp(text, "r") || !strcmp(text, "ro")) {
		p->disk->readwrite = false;
	} else if (!strcmp(text, "w") || !strcmp(text, "rw")) {
		p->disk->readwrite = true;
	} else if (*text) {
		return wrong(p, "unknown access `%s'; accepted are r, ro, w, rw", text);
	}
	return 0;
}

static void set_cdrom(struct parse *p)
{
	p->disk->is_cdrom = true;
	p->disk->removable = true;
}

static int set_vdev(struct parse *p, char *text)
{
	char *type = strchr(text, ':');

	if (!strncmp(text, "ioemu:", 6)) {
		text += 6;
		type = strchr(text, ':');
	}
	if (type) {
		*type++ = 0;
		if (!strcmp(type, "cdrom"))
			set_cdrom(p);
		else if (strcmp(type, "disk"))
			return wrong(p, "unknown type `%s' of device `%s'; accepted are cdrom, disk", type, text);
	}
	set(&p->disk->vdev, text);
	return 0;
}

static int set_backendtype(struct parse *p, const char *text)
{
	if (!strcmp(text, "phy"))
		p->disk->backendtype = DISK_PHY;
	else if (!strcmp(text, "tap"))
		p->disk->backendtype = DISK_TAP;
	else if (!strcmp(text, "qdisk"))
		p->disk->backendtype = DISK_QDISK;
	else if (!strcmp(text, "standalone"))
		p->disk->backendtype = DISK_STANDALONE;
	else
		return wrong(p, "unknown backendtype `%s'; accepted are phy, qdisk, standalone", text);
	return 0;
}

/* A position by its name: only once. */
static int named_position(struct parse *p, bool *have, bool already, const char *name)
{
	if (*have && already)
		return wrong(p, "%s is given twice", name);
	*have = true;
	return 0;
}

static int set_named(struct parse *p, const char *key, char *value)
{
	struct disk_config *d = p->disk;
	int rc = 0;

	if (!strcmp(key, "format")) {
		rc = named_position(p, &p->have_format, d->format != DISK_FORMAT_UNKNOWN, key);
		return rc ? rc : set_format(p, value);
	}
	if (!strcmp(key, "vdev")) {
		rc = named_position(p, &p->have_vdev, d->vdev && *d->vdev, key);
		return rc ? rc : set_vdev(p, value);
	}
	if (!strcmp(key, "access")) {
		rc = named_position(p, &p->have_access, p->named_access, key);
		p->named_access = true;
		return rc ? rc : set_access(p, value);
	}
	if (!strcmp(key, "devtype")) {
		if (!strcmp(value, "cdrom"))
			set_cdrom(p);
		else if (strcmp(value, "disk"))
			return wrong(p, "unknown devtype `%s'; accepted are cdrom, disk", value);
		return 0;
	}
	if (!strcmp(key, "backendtype"))
		return set_backendtype(p, value);
	if (!strcmp(key, "colo-port")) {
		d->colo_port = atoi(value);
		return 0;
	}
	if (!strcmp(key, "specification") && strcmp(value, "xen") && strcmp(value, "virtio"))
		return wrong(p, "unknown specification `%s'; accepted are xen, virtio", value);

	const struct {
		const char *name;
		char **field;
	} texts[] = {
		{ "backend", &d->backend }, { "script", &d->script }, { "specification", &d->specification },
		{ "colo-host", &d->colo_host }, { "colo-export", &d->colo_export },
		{ "active-disk", &d->active_disk }, { "hidden-disk", &d->hidden_disk },
	};

	for (unsigned int i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (!strcmp(key, texts[i].name)) {
			set(texts[i].field, value);
			return 0;
		}
	return wrong(p, "unknown parameter `%s'; accepted are target, format, vdev, access, devtype, backend, "
		     "backendtype, script, specification and flags", key);
}

static bool set_flag(struct parse *p, const char *flag)
{
	struct disk_config *d = p->disk;

	if (!strcmp(flag, "cdrom"))
		set_cdrom(p);
	else if (!strcmp(flag, "direct-io-safe"))
		d->direct_io_safe = true;
	else if (!strcmp(flag, "discard"))
		d->discard = TRI_ON;
	else if (!strcmp(flag, "no-discard"))
		d->discard = TRI_OFF;
	else if (!strcmp(flag, "trusted"))
		d->trusted = TRI_ON;
	else if (!strcmp(flag, "untrusted"))
		d->trusted = TRI_OFF;
	else if (!strcmp(flag, "colo"))
		d->colo = TRI_ON;
	else if (!strcmp(flag, "no-colo"))
		d->colo = TRI_OFF;
	else
		return false;
	return true;
}

/* The prefixes of old: each is taken off; *target is what is left. */
static int strip_prefixes(struct parse *p, char **target)
{
	static const char *const ignored[] = { "tapdisk:", "tap2:", "tap:", "aio:", "ioemu:", "file:", "phy:" };
	static const char *const formats[] = { "raw:", "qcow2:", "qcow:", "vhd:" };
	static const char *const scripts[] = { "iscsi:", "nbd:", "enbd:", "drbd:" };

	for (;;) {
		char *colon = *target + strcspn(*target, ":/ ");
		size_t n = colon + 1 - *target;
		bool known = false;

		if (*colon != ':' || n == 1)
			return 0;
		for (unsigned int i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
			known |= strlen(ignored[i]) == n && !strncmp(*target, ignored[i], n);
		for (unsigned int i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
			if (strlen(formats[i]) == n && !strncmp(*target, formats[i], n)) {
				*colon = 0;
				set_format(p, *target);
				known = true;
			}
		for (unsigned int i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
			if (strlen(scripts[i]) == n && !strncmp(*target, scripts[i], n)) {
				char script[32];

				snprintf(script, sizeof(script), "block-%.*s", (int)n - 1, *target);
				set(&p->disk->script, script);
				known = true;
			}
		if (!known)
			return wrong(p, "unknown prefix `%.*s' of the target; give such a target as target=%s",
				     (int)n, *target, *target);
		p->have_format = true;
		*target += n;
	}
}

static int position(struct parse *p, char *text)
{
	if (!p->have_target) {
		int rc = strip_prefixes(p, &text);

		p->have_target = true;
		set(&p->disk->target, text);
		return rc;
	}
	/* ",hdc:cdrom,r" has neither target nor format. */
	if (!p->have_format && !p->have_vdev && strchr(text, ':') && (!p->disk->target || !*p->disk->target))
		p->have_format = true;
	if (!p->have_format) {
		p->have_format = true;
		return set_format(p, text);
	}
	if (!p->have_vdev) {
		p->have_vdev = true;
		return set_vdev(p, text);
	}
	if (!p->have_access) {
		p->have_access = true;
		p->named_access = *text;
		return set_access(p, text);
	}
	if (!*text)
		return 0;
	return wrong(p, "`%s' is one too many; positions are target, format, vdev, access", text);
}

/* Is there a key in front of an equals sign? */
static char *equals_of(char *text)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz-_");

	return n && text[n] == '=' ? text + n : NULL;
}

static int parse_piece(struct parse *p, const char *piece)
{
	char *all = copy(piece), *at = all, *next;
	int rc = 0;

	for (; at && !rc; at = next) {
		char *equals;

		at += strspn(at, " \t");
		if (!strncmp(at, "target=", 7)) {
			if (p->have_target && p->disk->target && *p->disk->target)
				rc = wrong(p, "target is given twice");
			p->have_target = true;
			set(&p->disk->target, at + 7);
			break;
		}
		next = strchr(at, ',');
		if (next)
			*next++ = 0;
		equals = equals_of(at);
		if (equals) {
			*equals = 0;
			rc = set_named(p, at, equals + 1);
		} else if (!set_flag(p, at) && (*at || next)) {
			rc = position(p, at);
		}
	}
	free(all);
	return rc;
}

int disk_parse(struct disk_config *disk, const char *const *pieces, int n, const char *where, const struct reporter *r)
{
	struct parse p = { .disk = disk, .where = where, .r = r };
	int rc = 0;

	memset(disk, 0, sizeof(*disk));
	disk->readwrite = true;
	disk->discard = disk->trusted = disk->colo = TRI_DEFAULT;
	for (int i = 0; i < n && !rc; i++)
		rc = parse_piece(&p, pieces[i]);
	if (!rc && (!disk->vdev || !*disk->vdev))
		rc = wrong(&p, "there is no vdev, the name that the guest sees; accepted are names like xvda");
	if (!rc && disk_vdev_number(disk->vdev, NULL, NULL) < 0)
		rc = wrong(&p, "`%s' is no device; accepted are names like xvda, xvdb1, hda, sda", disk->vdev);
	if (!rc && disk->is_cdrom) {
		disk->readwrite = false;
		if (!disk->target || !*disk->target)
			disk->format = DISK_EMPTY;
	}
	if (!rc && disk->format == DISK_FORMAT_UNKNOWN)
		disk->format = DISK_RAW;
	if (!rc && (!disk->target || !*disk->target) && disk->format != DISK_EMPTY)
		rc = wrong(&p, "there is no target; accepted are the path of a device or an image, and no target only "
			   "for a cdrom");
	if (rc)
		disk_free(disk);
	return rc;
}

void disk_free(struct disk_config *disk)
{
	FREE_ALL(disk->target, disk->vdev, disk->backend, disk->script, disk->specification, disk->colo_host,
		 disk->colo_export, disk->active_disk, disk->hidden_disk);
	memset(disk, 0, sizeof(*disk));
}

/* --- names of devices ---------------------------------------------------------------------- */

/* "xvdba7": letters count like numerals without a zero (a..z, aa..), then a partition. */
static bool read_letters(const char *s, int *disk, int *partition)
{
	int n = 0, part = 0;

	if (*s < 'a' || *s > 'z')
		return false;
	for (; *s >= 'a' && *s <= 'z'; s++) {
		n = n * 26 + (*s - 'a' + 1);
		if (n > 1 << 20)
			return false;
	}
	if (*s) {
		if (*s < '1' || *s > '9')
			return false;
		for (; *s >= '0' && *s <= '9' && part < 1 << 20; s++)
			part = part * 10 + (*s - '0');
		if (*s)
			return false;
	}
	*disk = n - 1;
	*partition = part;
	return true;
}

/*
 * A number of xen-vbd-interface(7): 202 << 8 for the first 16 disks of 15 partitions, 1 << 28 for others, the majors of
 * SCSI (8) and of IDE (3, 22).
 */
int disk_vdev_number(const char *vdev, int *disk, int *partition)
{
	int d, part, n;
	char *end;

	if (*vdev >= '0' && *vdev <= '9') {
		unsigned long value = strtoul(vdev, &end, 0);

		if (*end || value > INT32_MAX)
			return -1;
		if (value >> 28)
			d = (value & 0x0fffffff) >> 8, part = value & 0xff;
		else if (value >> 8 == 202 || value >> 8 == 8)
			d = (value & 0xff) >> 4, part = value & 0xf;
		else if (value >> 8 == 3)
			d = (value & 0xff) >> 6, part = value & 0x3f;
		else if (value >> 8 == 22)
			d = ((value & 0xff) >> 6) + 2, part = value & 0x3f;
		else
			d = 0, part = 0;
		n = value;
	} else if (vdev[0] == 'd' && vdev[1] >= '0' && vdev[1] <= '9') {
		unsigned long a = strtoul(vdev + 1, &end, 10), b = 0;

		if (*end == 'p' && end[1] >= '0' && end[1] <= '9')
			b = strtoul(end + 1, &end, 10);
		if (*end || a >= 1 << 20 || b > 255)
			return -1;
		d = a;
		part = b;
		n = d < 16 && part < 16 ? 202 << 8 | d << 4 | part : 1 << 28 | d << 8 | part;
	} else if (!strncmp(vdev, "xvd", 3) && read_letters(vdev + 3, &d, &part)) {
		if (part > 255 || d >= 1 << 20)
			return -1;
		n = d < 16 && part < 16 ? 202 << 8 | d << 4 | part : 1 << 28 | d << 8 | part;
	} else if (!strncmp(vdev, "hd", 2) && read_letters(vdev + 2, &d, &part)) {
		if (d > 3 || part > 63)
			return -1;
		n = (d < 2 ? 3 : 22) << 8 | (d & 1) << 6 | part;
	} else if (!strncmp(vdev, "sd", 2) && read_letters(vdev + 2, &d, &part)) {
		if (d > 15 || part > 15)
			return -1;
		n = 8 << 8 | d << 4 | part;
	} else {
		return -1;
	}
	if (disk)
		*disk = d;
	if (partition)
		*partition = part;
	return n;
}
