// SPDX-License-Identifier: MIT
/*
 * xl.cfg(5): disks, network interfaces, channels, 9pfs, PCI devices, and hardware that a guest may reach. An entry that
 * is wrong is reported and left out, so that the next ones are looked at too; the parse fails at its end.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include "config_parts.h"

/* The text of a list's item; a list in it is named and passed over, as xl does. */
static const char *item_text(struct lang *l, const struct lang_value *v, const char *key)
{
	if (!v->text)
		lang_say(l, false, v, key, "a list in the list is ignored; accepted are strings");
	return v->text;
}

static void take_disks(struct guest_config *c, struct lang *l)
{
	const struct lang_value *v = lang_list(l, "disk");
	char where[256];

	for (unsigned int i = 0; v && i < v->nr; i++) {
		struct disk_config disk;
		const char *text = item_text(l, &v->items[i], "disk");

		if (!text)
			continue;
		lang_where(&v->items[i], "disk", where, sizeof(where));
		if (disk_parse(&disk, &text, 1, where, l->reporter)) {
			l->nr_errors++;
			continue;
		}
		for (unsigned int j = 0; j < c->nr_disks; j++)
			if (!strcmp(c->disks[j].vdev, disk.vdev))
				lang_say(l, true, &v->items[i], "disk", "%s is the name of another disk already", disk.vdev);
		c->disks = grow(c->disks, &c->nr_disks, sizeof(disk));
		c->disks[c->nr_disks - 1] = disk;
	}
}

static void vif_defaults(struct vif_config *vif, const struct xl_conf *conf)
{
	if (!conf)
		return;
	if (!vif->script)
		vif->script = copy(conf->vif_script);
	if (!vif->bridge)
		vif->bridge = copy(conf->vif_bridge);
	if (!vif->gatewaydev)
		vif->gatewaydev = copy(conf->vif_gatewaydev);
	if (!vif->backend)
		vif->backend = copy(conf->vif_backend);
}

static void take_vifs(struct guest_config *c, struct lang *l, const struct xl_conf *conf)
{
	const struct lang_value *v = lang_list(l, "vif");
	char where[256];

	for (unsigned int i = 0; v && i < v->nr; i++) {
		struct vif_config vif;
		const char *text = item_text(l, &v->items[i], "vif");

		if (!text)
			continue;
		lang_where(&v->items[i], "vif", where, sizeof(where));
		if (vif_parse(&vif, &text, 1, where, l->reporter)) {
			l->nr_errors++;
			continue;
		}
		vif_defaults(&vif, conf);
		if (vif.devid == CONFIG_DEFAULT)
			vif.devid = c->nr_vifs;
		for (unsigned int j = 0; j < c->nr_vifs; j++)
			if (c->vifs[j].devid == vif.devid)
				lang_say(l, true, &v->items[i], "vif", "%d is the devid of another interface already; give one "
					 "of them another", vif.devid);
		c->vifs = grow(c->vifs, &c->nr_vifs, sizeof(vif));
		c->vifs[c->nr_vifs - 1] = vif;
	}
}

/* Cuts the next "key=value" off *text, which is written; NULL at the end. */
static char *next_pair(char **text, char **value)
{
	char *at = *text, *equals;

	if (!at)
		return NULL;
	at += strspn(at, " \t");
	*text = strchr(at, ',');
	if (*text)
		*(*text)++ = 0;
	equals = strchr(at, '=');
	if (equals)
		*equals = 0;
	*value = equals ? equals + 1 : NULL;
	return at;
}

static void put(char **field, const char *value)
{
	free(*field);
	*field = copy(value);
}

static bool channel_pair(struct lang *l, const struct lang_value *v, struct channel_config *ch, const char *key,
			 const char *value, bool *connected)
{
	if (!strcmp(key, "backend")) {
		put(&ch->backend, value);
	} else if (!strcmp(key, "name")) {
		put(&ch->name, value);
	} else if (!strcmp(key, "path")) {
		put(&ch->path, value);
	} else if (!strcmp(key, "connection") && (!strcmp(value, "pty") || !strcmp(value, "socket"))) {
		ch->is_socket = *value == 's';
		*connected = true;
	} else {
		lang_say(l, true, v, "channel", "`%s=%s' is not known; accepted are backend, name, path and connection=pty or "
			 "socket", key, value);
		return false;
	}
	return true;
}

static void take_channels(struct guest_config *c, struct lang *l)
{
	const struct lang_value *v = lang_list(l, "channel");

	for (unsigned int i = 0; v && i < v->nr; i++) {
		char *text = copy(item_text(l, &v->items[i], "channel")), *at = text, *key, *value;
		bool connected = false, good = true;
		struct channel_config *ch;

		if (!text)
			continue;
		c->channels = grow(c->channels, &c->nr_channels, sizeof(*c->channels));
		ch = &c->channels[c->nr_channels - 1];
		while (good && (key = next_pair(&at, &value)))
			if (*key)
				good = channel_pair(l, &v->items[i], ch, key, value ? value : "", &connected);
		if (good && !connected)
			lang_say(l, true, &v->items[i], "channel", "there is no connection=; accepted are pty, socket");
		free(text);
	}
}

static void take_p9s(struct guest_config *c, struct lang *l)
{
	const struct lang_value *v = lang_list(l, "p9");

	for (unsigned int i = 0; v && i < v->nr; i++) {
		char *text = copy(item_text(l, &v->items[i], "p9")), *at = text, *key, *value;
		struct p9_config *p9;
		bool good = true;

		if (!text)
			continue;
		c->p9s = grow(c->p9s, &c->nr_p9s, sizeof(*c->p9s));
		p9 = &c->p9s[c->nr_p9s - 1];
		while (good && (key = next_pair(&at, &value))) {
			char **field = !strcmp(key, "tag") ? &p9->tag : !strcmp(key, "path") ? &p9->path :
				       !strcmp(key, "security_model") ? &p9->security_model :
				       !strcmp(key, "backend") ? &p9->backend : NULL;

			if (field && value)
				put(field, value);
			else
				good = !*key;
			if (!good)
				lang_say(l, true, &v->items[i], "p9", "`%s' is not known; accepted are tag=, path=, "
					 "security_model=, backend=", key);
		}
		if (good && (!p9->tag || !p9->path || !p9->security_model))
			lang_say(l, true, &v->items[i], "p9", "tag=, path= and security_model= are needed");
		free(text);
	}
}

/* "[DDDD:]BB:DD.F[@VSLOT][,key=value...]", or key=value alone with bdf= or name=. */
static bool is_pci_spec(const char *text)
{
	unsigned int domain, bus, device, function;
	int n = 0;
	const char *key = text;

	if (strchr(text, ':') && sscanf(text, "%4x:%2x:%2x.%1x%n", &domain, &bus, &device, &function, &n) < 4) {
		n = 0;
		if (sscanf(text, "%2x:%2x.%1x%n", &bus, &device, &function, &n) < 3 &&
		    sscanf(text, "%4x:%2x:%2x.*%n", &domain, &bus, &device, &n) < 3 && strncmp(text, "bdf=", 4) &&
		    strncmp(text, "name=", 5))
			return false;
	}
	key = text + n;
	if (n && *key == '@')
		key += strcspn(key, ",");
	return n ? !*key || *key == ',' || *key == '-' || *key == '*' : strchr(text, '=') != NULL;
}

static void take_pci(struct lang *l)
{
	const struct lang_value *v = lang_list(l, "pci");
	bool good = true;

	for (unsigned int i = 0; v && i < v->nr; i++) {
		const char *text = item_text(l, &v->items[i], "pci");

		if (text && !is_pci_spec(text)) {
			lang_say(l, true, &v->items[i], "pci", "`%s' is no PCI device; accepted are forms like 0000:01:00.0, "
				 "01:00.0,permissive=1", text);
			good = false;
		}
	}
	if (v && v->nr && good)
		lang_say(l, false, v, "pci", "not supported yet; it is ignored");
}

/* --- hardware ------------------------------------------------------------------------------ */

static bool hex(const char **p, uint64_t *n)
{
	char *end;

	if (!isxdigit((unsigned char)**p))
		return false;
	errno = 0;
	*n = strtoull(*p, &end, 16);
	*p = end;
	return !errno;
}

static void take_ioports(struct guest_config *c, struct lang *l)
{
	const struct lang_value *v = lang_list(l, "ioports");

	for (unsigned int i = 0; v && i < v->nr; i++) {
		const char *text = item_text(l, &v->items[i], "ioports"), *p = text;
		uint64_t first, last;
		bool good;

		if (!text)
			continue;
		good = hex(&p, &first);
		last = first;
		if (good && *p == '-') {
			p++;
			good = hex(&p, &last);
		}
		if (!good || *p || last < first || last > 0xffff) {
			lang_say(l, true, &v->items[i], "ioports", "`%s' is no range of ports; accepted are hexadecimal numbers up "
				 "to ffff, like 2f8-2ff", text);
			continue;
		}
		c->ioports = grow(c->ioports, &c->nr_ioports, sizeof(*c->ioports));
		c->ioports[c->nr_ioports - 1] = (struct io_range){ first, last - first + 1, 0 };
	}
}

static void take_iomem(struct guest_config *c, struct lang *l)
{
	const struct lang_value *v = lang_list(l, "iomem");

	for (unsigned int i = 0; v && i < v->nr; i++) {
		const char *text = item_text(l, &v->items[i], "iomem"), *p = text;
		struct io_range range = { .gfn = UINT64_MAX };
		bool good;

		if (!text)
			continue;
		good = hex(&p, &range.start) && *p++ == ',' && hex(&p, &range.number);
		if (good && *p == '@') {
			p++;
			good = hex(&p, &range.gfn);
		}
		if (!good || *p || !range.number) {
			lang_say(l, true, &v->items[i], "iomem", "`%s' is no range of frames; accepted is FRAME,NUMBER[@GFN] in "
				 "hexadecimal", text);
			continue;
		}
		c->iomem = grow(c->iomem, &c->nr_iomem, sizeof(range));
		c->iomem[c->nr_iomem - 1] = range;
	}
}

static void take_irqs(struct guest_config *c, struct lang *l)
{
	const struct lang_value *v = lang_list(l, "irqs");

	for (unsigned int i = 0; v && i < v->nr; i++) {
		const char *text = item_text(l, &v->items[i], "irqs");
		long long n;

		if (!text)
			continue;
		if (!lang_text_number(text, &n) || n < 0 || n > INT32_MAX) {
			lang_say(l, true, &v->items[i], "irqs", "`%s' is no interrupt; accepted are numbers", text);
			continue;
		}
		c->irqs = grow(c->irqs, &c->nr_irqs, sizeof(*c->irqs));
		c->irqs[c->nr_irqs - 1] = n;
	}
}

static void take_cpuid(struct guest_config *c, struct lang *l)
{
	const struct lang_value *v = lang_find(l, "cpuid");

	for (unsigned int i = 0; v && i < (v->text ? 1 : v->nr); i++) {
		const char *text = v->text ? v->text : item_text(l, &v->items[i], "cpuid");

		if (!text)
			continue;
		c->cpuid = grow(c->cpuid, &c->nr_cpuid, sizeof(char *));
		c->cpuid[c->nr_cpuid - 1] = copy(text);
	}
	if (v)
		lang_say(l, false, v, "cpuid", "not supported yet; the guest sees the host's features");
}

void config_take_devices(struct guest_config *c, struct lang *l, const struct xl_conf *conf)
{
	take_disks(c, l);
	take_vifs(c, l, conf);
	take_channels(c, l);
	take_p9s(c, l);
	take_pci(l);
}

void config_take_hardware(struct guest_config *c, struct lang *l)
{
	take_ioports(c, l);
	take_iomem(c, l);
	take_irqs(c, l);
	take_cpuid(c, l);
}
