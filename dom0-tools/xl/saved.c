// SPDX-License-Identifier: MIT
/*
 * The devices in a domain's saved configuration (config_json.c makes it): one that is attached or detached while the guest
 * runs is written there, and who makes the guest anew after a reboot takes its devices from there. Either toolstack may have
 * changed it: what is not understood is kept as it is.
 *
 * Pure: text in, text or struct out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config.h"
#include "json.h"
#include "saved.h"

static yajl_val parse(const char *text)
{
	char why[128];
	yajl_val tree = text ? yajl_tree_parse(text, why, sizeof(why)) : NULL;

	if (tree && !YAJL_IS_OBJECT(tree)) {
		yajl_tree_free(tree);
		tree = NULL;
	}
	return tree;
}

static yajl_val value(yajl_val object, const char *key)
{
	const char *path[] = { key, NULL };

	return YAJL_IS_OBJECT(object) ? yajl_tree_get(object, path, yajl_t_any) : NULL;
}

static const char *string(yajl_val object, const char *key)
{
	yajl_val v = value(object, key);

	return YAJL_IS_STRING(v) ? YAJL_GET_STRING(v) : NULL;
}

static char *text_of(yajl_val object, const char *key)
{
	const char *s = string(object, key);

	return s ? strdup(s) : NULL;
}

static long long number(yajl_val object, const char *key, long long otherwise)
{
	yajl_val v = value(object, key);

	return YAJL_IS_INTEGER(v) ? YAJL_GET_INTEGER(v) : otherwise;
}

static bool flag(yajl_val object, const char *key)
{
	yajl_val v = value(object, key);

	return YAJL_IS_TRUE(v) || number(object, key, 0);
}

static enum tristate tristate(yajl_val object, const char *key)
{
	const char *s = string(object, key);

	return !s ? TRI_DEFAULT : !strcmp(s, "True") ? TRI_ON : TRI_OFF;
}

/* The place of a key's word in a list that ends with NULL; 0 if it is not there. */
static int place(yajl_val object, const char *key, const char *const *words)
{
	const char *s = string(object, key);

	for (int i = 0; s && words[i]; i++)
		if (!strcmp(words[i], s))
			return i;
	return 0;
}

/* --- changing --------------------------------------------------------------------------------- */

/* The number of a device in its list; interfaces without one are numbered as they come. */
static long long device_number(const char *list, yajl_val element, size_t i)
{
	const char *vdev = string(element, "vdev");

	if (strcmp(list, "disks"))
		return number(element, "devid", i);
	return vdev ? disk_vdev_number(vdev, NULL, NULL) : -1;
}

/* The elements of a list but for one with the number @without. */
static void put_others(yajl_gen g, const char *list, yajl_val old, long long without)
{
	if (!YAJL_IS_ARRAY(old))
		return;
	for (size_t i = 0; i < old->u.array.len; i++)
		if (device_number(list, old->u.array.values[i], i) != without)
			json_tree(g, NULL, old->u.array.values[i]);
}

/* The text with a device more, or without one; a device that is there under the same number is replaced. */
static char *changed(const char *text, const char *list, long long devid, const struct disk_config *disk,
		     const struct vif_config *vif)
{
	yajl_val tree = parse(text);
	yajl_gen g;

	if (!tree)
		return NULL;
	g = json_new();
	json_open(g, NULL);
	for (size_t i = 0; i < tree->u.object.len; i++)
		if (strcmp(tree->u.object.keys[i], list))
			json_tree(g, tree->u.object.keys[i], tree->u.object.values[i]);
	json_open_list(g, list);
	put_others(g, list, value(tree, list), devid);
	if (disk)
		disk_to_json(g, disk);
	if (vif)
		vif_to_json(g, vif);
	json_close_list(g);
	json_close(g);
	yajl_tree_free(tree);
	return json_finish(g);
}

char *saved_with_disk(const char *text, const struct disk_config *disk)
{
	return changed(text, "disks", disk_vdev_number(disk->vdev, NULL, NULL), disk, NULL);
}

char *saved_with_vif(const char *text, const struct vif_config *vif)
{
	return changed(text, "nics", vif->devid, NULL, vif);
}

char *saved_without(const char *text, bool is_vif, unsigned int devid)
{
	return changed(text, is_vif ? "nics" : "disks", devid, NULL, NULL);
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool read_disk(struct disk_config *d, yajl_val v)
{
	*d = (struct disk_config){
		.target = text_of(v, "pdev_path"), .vdev = text_of(v, "vdev"), .backend = text_of(v, "backend_domname"),
		.script = text_of(v, "script"), .specification = text_of(v, "specification"),
		.format = place(v, "format", disk_format_words), .backendtype = place(v, "backend", disk_backend_words),
		.readwrite = flag(v, "readwrite"), .removable = flag(v, "removable"), .is_cdrom = flag(v, "is_cdrom"),
		.direct_io_safe = flag(v, "direct_io_safe"), .discard = tristate(v, "discard_enable"),
		.trusted = tristate(v, "trusted"), .colo = TRI_DEFAULT,
	};
	return d->vdev && disk_vdev_number(d->vdev, NULL, NULL) >= 0;
}

static bool read_vif(struct vif_config *d, yajl_val v)
{
	static const char *const types[] = { "", "vif_ioemu", "vif", NULL }, *const backends[] = { "", "linux", "netback", NULL };
	const char *mac = string(v, "mac");
	uint8_t *m = d->mac;

	*d = (struct vif_config){
		.bridge = text_of(v, "bridge"), .gatewaydev = text_of(v, "gatewaydev"), .ip = text_of(v, "ip"),
		.script = text_of(v, "script"), .ifname = text_of(v, "ifname"), .model = text_of(v, "model"),
		.backend = text_of(v, "backend_domname"), .type = place(v, "nictype", types),
		.devid = number(v, "devid", CONFIG_DEFAULT), .mtu = number(v, "mtu", CONFIG_DEFAULT),
		.rate_bytes = number(v, "rate_bytes_per_interval", 0), .rate_usecs = number(v, "rate_interval_usecs", 0),
		.trusted = tristate(v, "trusted"), .backendtype = place(v, "backendtype", backends),
	};
	d->has_mac = mac && sscanf(mac, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]) == 6;
	return true;
}

static size_t length(yajl_val list)
{
	return YAJL_IS_ARRAY(list) ? list->u.array.len : 0;
}

int saved_devices(struct guest_config *c, const char *text)
{
	yajl_val tree = parse(text), disks = tree ? value(tree, "disks") : NULL, vifs = tree ? value(tree, "nics") : NULL;

	if (!tree)
		return -1;
	for (unsigned int i = 0; i < c->nr_disks; i++)
		disk_free(&c->disks[i]);
	for (unsigned int i = 0; i < c->nr_vifs; i++)
		vif_free(&c->vifs[i]);
	free(c->disks);
	free(c->vifs);
	c->disks = calloc(length(disks) + 1, sizeof(*c->disks));
	c->vifs = calloc(length(vifs) + 1, sizeof(*c->vifs));
	if (!c->disks || !c->vifs)
		abort();
	c->nr_disks = c->nr_vifs = 0;
	for (size_t i = 0; i < length(disks); i++) {
		if (read_disk(&c->disks[c->nr_disks], disks->u.array.values[i]))
			c->nr_disks++;
		else
			disk_free(&c->disks[c->nr_disks]);
	}
	for (size_t i = 0; i < length(vifs); i++)
		c->nr_vifs += read_vif(&c->vifs[c->nr_vifs], vifs->u.array.values[i]);
	yajl_tree_free(tree);
	return 0;
}
