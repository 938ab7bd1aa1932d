// SPDX-License-Identifier: MIT
/* The verbs about a running domain's disks, network interfaces and console; columns as xl of 4.17 prints them. */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "backendd.h"
#include "console.h"
#include "device.h"
#include "saved.h"
#include "xl.h"

static struct host this_host(void)
{
	struct host h = { .x = xl_xc(), .xs = xl_xs(), .conf = xl_conf() };

	return h;
}

/* A node beneath a device's folder as a number; -1 if there is none. */
static int number_at(const char *folder, const char *node)
{
	char *text = xl_read("%s/%s", folder, node);
	int n = text ? atoi(text) : -1;

	free(text);
	return n;
}

/* Of a guest's side: the node itself, or that of its first queue or ring page. */
static int guests_number(const struct device *d, const char *node)
{
	char other[64];
	int n = number_at(d->front, node);

	if (n < 0) {
		snprintf(other, sizeof(other), "queue-0/%s", node);
		n = number_at(d->front, other);
	}
	if (n < 0) {
		snprintf(other, sizeof(other), "%s0", node);
		n = number_at(d->front, other);
	}
	return n;
}

/* --- adding ----------------------------------------------------------------------------------- */

/* Takes away what is there of an addition that failed. */
static void undo(struct host *h, uint32_t domid, enum device_kind kind, unsigned int devid)
{
	struct device d;

	if (!device_find(h, &d, kind, domid, devid))
		return;
	devices_close(h, &d, 1, true);
	devices_wait_closed(h, &d, 1, false);
	device_script(h, &d, kind == DEVICE_VBD ? "remove" : "offline");
	devices_forget(h, &d, 1);
}

/* The domain that is attached to: a number alone need not be one's, and nodes would be written for nobody. */
static uint32_t living_domain(const char *word)
{
	struct xen_domctl_getdomaininfo info;
	uint32_t domid = xl_domain(word);

	xl_domain_info(domid, &info);
	if (info.flags & XEN_DOMINF_dying)
		xl_die("domain %u is being destroyed", domid);
	return domid;
}

/* Writes a changed configuration, which is freed here; NULL: there is none that could be changed. */
static void keep(uint32_t domid, char *text)
{
	struct xen_domctl_getdomaininfo info;

	if (text && !xc_domain_info(xl_xc(), domid, &info))
		xl_set_userdata(domid, info.handle, "libxl-json", text);
	free(text);
}

/* The configuration that is kept of a domain; NULL if none is. For keep(), under devices_lock(). */
static char *kept(uint32_t domid)
{
	struct xen_domctl_getdomaininfo info;

	return xc_domain_info(xl_xc(), domid, &info) ? NULL : xl_userdata(domid, info.handle, "libxl-json");
}

static void keep_added(uint32_t domid, const struct disk_config *disk, const struct vif_config *vif)
{
	int held = devices_lock();
	char *text = kept(domid);

	keep(domid, disk ? saved_with_disk(text, disk) : saved_with_vif(text, vif));
	free(text);
	unlock(held);
}

static void keep_removed(uint32_t domid, enum device_kind kind, unsigned int devid)
{
	int held = devices_lock();
	char *text = kept(domid);

	keep(domid, saved_without(text, kind == DEVICE_VIF, devid));
	free(text);
	unlock(held);
}

int verb_block_attach(int argc, char **argv)
{
	struct host h;
	struct disk_config disk;
	uint32_t domid;
	bool written;
	int err;

	while (xl_option(argc, argv, "", NULL, 2) != -1)
		continue;
	if (disk_parse(&disk, (const char *const *)argv + optind + 1, argc - optind - 1, "block-attach", &xl_reporter))
		return 1;
	h = this_host();
	domid = living_domain(argv[optind]);
	if (xl.dry_run)
		return 0;
	err = devices_add(&h, domid, &disk, 1, NULL, 0, &written);
	if (err && written)
		undo(&h, domid, DEVICE_VBD, disk_vdev_number(disk.vdev, NULL, NULL));
	if (!err)
		keep_added(domid, &disk, NULL);
	return err ? 1 : 0;
}

int verb_network_attach(int argc, char **argv)
{
	struct host h;
	struct vif_config vif;
	const struct xl_conf *conf = xl_conf();
	uint32_t domid;
	bool written;
	int err;

	while (xl_option(argc, argv, "", NULL, 1) != -1)
		continue;
	if (vif_parse(&vif, (const char *const *)argv + optind + 1, argc - optind - 1, "network-attach", &xl_reporter))
		return 1;
	vif.script = vif.script || !conf->vif_script ? vif.script : strdup(conf->vif_script);
	vif.bridge = vif.bridge || !conf->vif_bridge ? vif.bridge : strdup(conf->vif_bridge);
	vif.gatewaydev = vif.gatewaydev || !conf->vif_gatewaydev ? vif.gatewaydev : strdup(conf->vif_gatewaydev);
	vif.backend = vif.backend || !conf->vif_backend ? vif.backend : strdup(conf->vif_backend);
	h = this_host();
	domid = living_domain(argv[optind]);
	if (xl.dry_run)
		return 0;
	err = devices_add(&h, domid, NULL, 0, &vif, 1, &written);
	if (err && written)
		undo(&h, domid, DEVICE_VIF, vif.devid);
	if (!err)
		keep_added(domid, NULL, &vif);
	return err ? 1 : 0;
}

/* --- removing --------------------------------------------------------------------------------- */

static int detach(struct host *h, uint32_t domid, enum device_kind kind, unsigned int devid, bool force)
{
	struct device d;

	if (!device_find(h, &d, kind, domid, devid))
		xl_die("domain %u has no %s of that number", domid, kind == DEVICE_VBD ? "disk" : "network interface");
	if (devices_close(h, &d, 1, force) || devices_wait_closed(h, &d, 1, !force))
		return 1;
	device_script(h, &d, kind == DEVICE_VBD ? "remove" : "offline");
	if (devices_forget(h, &d, 1))
		return 1;
	keep_removed(domid, kind, devid);
	return 0;
}

int verb_block_detach(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "force", no_argument, NULL, 'f' }, { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 }
	};
	bool force = xl.force;
	struct host h;
	uint32_t domid;
	int c, devid;

	while ((c = xl_option(argc, argv, "f", longs, 2)) != -1)
		force |= c == 'f';
	h = this_host();
	domid = xl_domain(argv[optind]);
	devid = disk_vdev_number(argv[optind + 1], NULL, NULL);
	if (devid < 0)
		xl_die("there is no virtual disk \"%s\" (xvda, sdb1, hdc, or a number)", argv[optind + 1]);
	return detach(&h, domid, DEVICE_VBD, devid, force);
}

/* A number, or the address of one of the domain's interfaces. */
static int find_vif(struct host *h, uint32_t domid, const char *word)
{
	unsigned int nr;
	struct device *list;
	int devid = -1;
	char *end;
	long n = strtol(word, &end, 10);

	if (*word && !*end)
		return n;
	list = devices_list(h, domid, DEVICE_VIF, &nr);
	for (unsigned int i = 0; i < nr && devid < 0; i++) {
		char *mac = xl_read("%s/mac", list[i].libxl);

		if (mac && !strcasecmp(mac, word))
			devid = list[i].devid;
		free(mac);
	}
	free(list);
	return devid;
}

int verb_network_detach(int argc, char **argv)
{
	struct host h;
	uint32_t domid;
	int devid;

	while (xl_option(argc, argv, "", NULL, 2) != -1)
		continue;
	h = this_host();
	domid = xl_domain(argv[optind]);
	devid = find_vif(&h, domid, argv[optind + 1]);
	if (devid < 0)
		xl_die("domain %s has no network interface \"%s\"", argv[optind], argv[optind + 1]);
	return detach(&h, domid, DEVICE_VIF, devid, xl.force);
}

/* --- what is behind a disk, and who serves it ----------------------------------------------- */

/* "20G": bytes; dies of anything else. */
static uint64_t size_of(const char *text)
{
	static const char units[] = "KMGT";
	char *end;
	unsigned long long n = strtoull(text, &end, 10);
	const char *unit = *end ? strchr(units, *end) : NULL;
	int shift = unit ? 10 * (unit - units + 1) : 0;

	if (end == text || *text == '-' || !unit || end[1] || n > (uint64_t)INT64_MAX >> shift)
		xl_die("\"%s\" is no size; a number with K, M, G or T behind it is one", text);
	return n << shift;
}

static void grow_file(const char *path, uint64_t size)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		xl_die("%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		xl_die("%s is no file: make the device itself larger, then say block-resize without a size", path);
	if ((uint64_t)st.st_size > size)
		xl_die("%s has %lld bytes already: a disk in use can't shrink", path, (long long)st.st_size);
	if (ftruncate(fd, size))
		xl_die("%s can't grow to %llu bytes: %s", path, (unsigned long long)size, strerror(errno));
	close(fd);
}

/* Linux's backend looks at its device by itself; a loop device has to look at its file. */
static int resize_phy(const struct device *d)
{
	char *path = xl_read("%s/physical-device-path", d->back);
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1, err = 0;

	if (path && !strncmp(path, "/dev/loop", 9) && (fd < 0 || ioctl(fd, LOOP_SET_CAPACITY)))
		err = fprintf(stderr, "xl: %s: %s did not take the new size: %s\n", d->name, path, strerror(errno));
	if (fd >= 0)
		close(fd);
	free(path);
	return err ? 1 : 0;
}

static void find_disk(struct host *h, struct device *d, const char *domain, const char *vdev)
{
	int devid = disk_vdev_number(vdev, NULL, NULL);

	if (devid < 0)
		xl_die("there is no virtual disk \"%s\" (xvda, sdb1, hdc, or a number)", vdev);
	if (!device_find(h, d, DEVICE_VBD, xl_domain(domain), devid))
		xl_die("domain %s has no disk %s", domain, vdev);
}

int verb_block_resize(int argc, char **argv)
{
	struct host h;
	struct device d;

	while (xl_option(argc, argv, "", NULL, 2) != -1)
		continue;
	h = this_host();
	find_disk(&h, &d, argv[optind], argv[optind + 1]);
	if (argc > optind + 2) {
		char *params = xl_read("%s/params", d.libxl), *file = params;

		if (file && device_is_ours(&d) && !strncmp(file, "aio:", 4))
			file += 4;
		if (!file || *file != '/')
			xl_die("%s is no raw file: make it larger by its own tools, then say block-resize without a size",
			       params ? params : d.name);
		grow_file(file, size_of(argv[optind + 2]));
		free(params);
	}
	if (!device_is_ours(&d))
		return resize_phy(&d);
	return backendd_ask(&h, &d, "resize") ? 1 : 0;
}

int verb_backend_upgrade(int argc, char **argv)
{
	struct host h;
	struct device d;
	unsigned int devid;
	int end = 0;

	while (xl_option(argc, argv, "", NULL, 2) != -1)
		continue;
	h = this_host();
	if (sscanf(argv[optind + 1], "vif%u%n", &devid, &end) == 1 && !argv[optind + 1][end]) {
		if (!device_find(&h, &d, DEVICE_VIF, xl_domain(argv[optind]), devid))
			xl_die("domain %s has no network interface %u", argv[optind], devid);
	} else {
		find_disk(&h, &d, argv[optind], argv[optind + 1]);
	}
	if (!device_is_ours(&d))
		xl_die("%s is served by the kernel of domain %u, which can't be replaced while it runs", d.name, d.backend_domid);
	return backendd_ask(&h, &d, "upgrade") ? 1 : 0;
}

/* As in Xen: a disc is changed by the device model, which a PV guest doesn't have. */
int verb_cd(int argc, char **argv)
{
	uint32_t domid;

	while (xl_option(argc, argv, "", NULL, !strcmp(xl.verb, "cd-insert") ? 3 : 2) != -1)
		continue;
	domid = xl_domain(argv[optind]);
	xl_die("%s: only HVM guests have drives whose disc changes, and domain %u is a PV guest; block-attach and "
	       "block-detach are for it", xl.verb, domid);
}

/* --- lists -------------------------------------------------------------------------------------- */

static void block_row(const struct device *d)
{
	printf("%-5d %-3d %-6d %-5d %-6d %-8d %-30s\n", d->devid, d->backend_domid, d->domid, number_at(d->back, "state"),
	       guests_number(d, "event-channel"), guests_number(d, "ring-ref"), d->back);
}

static void network_row(const struct device *d)
{
	char *mac = xl_read("%s/mac", d->libxl);
	int port = guests_number(d, "event-channel");

	if (port < 0)
		port = guests_number(d, "event-channel-tx");
	printf("%-3d %-2d %s%6d %5d %6d %5d/%-11d %-30s\n", d->devid, d->backend_domid, mac ? mac : "00:00:00:00:00:00",
	       number_at(d->back, "handle"), number_at(d->back, "state"), port, guests_number(d, "tx-ring-ref"),
	       guests_number(d, "rx-ring-ref"), d->back);
	free(mac);
}

static int list_devices(int argc, char **argv, enum device_kind kind, void (*row)(const struct device *d))
{
	struct host h = this_host();
	int status = 0;

	for (int i = optind; i < argc; i++) {
		struct device *list;
		unsigned int nr;
		uint32_t domid;

		if (!xl_find_domain(argv[i], &domid)) {
			fprintf(stderr, "%s is an invalid domain identifier\n", argv[i]);
			status = 1;
			continue;
		}
		list = devices_list(&h, domid, kind, &nr);
		for (unsigned int k = 0; k < nr; k++)
			row(&list[k]);
		free(list);
	}
	return status;
}

int verb_block_list(int argc, char **argv)
{
	while (xl_option(argc, argv, "", NULL, 1) != -1)
		continue;
	printf("%-5s %-3s %-6s %-5s %-6s %-8s %-30s\n", "Vdev", "BE", "handle", "state", "evt-ch", "ring-ref", "BE-path");
	return list_devices(argc, argv, DEVICE_VBD, block_row);
}

int verb_network_list(int argc, char **argv)
{
	while (xl_option(argc, argv, "", NULL, 1) != -1)
		continue;
	printf("%-3s %-2s %-17s %-6s %-5s %-6s %5s/%-5s %-30s\n", "Idx", "BE", "Mac Addr.", "handle", "state", "evt-ch",
	       "tx-", "rx-ring-ref", "BE-path");
	return list_devices(argc, argv, DEVICE_VIF, network_row);
}

/* --- console ------------------------------------------------------------------------------------ */

int verb_console(int argc, char **argv)
{
	enum console_type type = CONSOLE_PV;
	unsigned int number = 0;
	int c;

	while ((c = xl_option(argc, argv, "t:n:", NULL, 1)) != -1) {
		char *end = "";

		if (c == 't' && console_type_parse(optarg, &type))
			xl_die("-t: there is no console type \"%s\"; accepted are pv, serial, vuart", optarg);
		if (c == 'n')
			number = strtoul(optarg, &end, 10);
		if (*end)
			xl_die("-n: \"%s\" is not a number", optarg);
	}
	return console_run(xl_domain(argv[optind]), type, number, -1);
}
