// SPDX-License-Identifier: MIT
/*
 * Disks: what is behind them, and their nodes, for two kinds of block backend.
 *
 * qdisk is ours (backendd). It opens what is behind the disk by itself, under what the store calls it, FORMAT:TARGET;
 * here it is only looked at first, so that a mistake is said before there is a guest.
 *
 * phy is Linux's. What is behind the disk is a block device, or a file, which becomes one through a loop device. Without script= xl does
 * that by itself: a file is opened, checked, and bound to a free loop device with O_DIRECT if its file system can that,
 * and the loop device dissolves when the last one closes it (LO_FLAGS_AUTOCLEAR). So it lives exactly as long as the
 * backend has it open, whoever is killed; there is nothing to undo. We keep it open until the backend has.
 *
 * With script= that script is run, as libxl does.
 *
 * Where the configuration names no backendtype: qdisk for images and NBD, and for all else if backendd runs here.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "../libxenstore/batch.h"
#include "backendd.h"
#include "device.h"

#define SCRIPT_FOLDER	"/etc/xen/scripts"

/* --- what is behind it ------------------------------------------------------------------- */

/* Is the file or device behind @path the one that @st is of? */
static bool same_backing(const char *path, const struct stat *st)
{
	struct stat other;

	if (stat(path, &other) || (other.st_mode & S_IFMT) != (st->st_mode & S_IFMT))
		return false;
	if (S_ISBLK(st->st_mode))
		return other.st_rdev == st->st_rdev;
	return other.st_dev == st->st_dev && other.st_ino == st->st_ino;
}

/* One disk of another guest: -EBUSY if both can't be. */
static int check_other(struct host *h, struct device *d, const struct stat *st, const char *backends, const char *domid,
		       const char *devid)
{
	char path[160];
	char *params, *mode, *target;
	int err = 0;

	if (strtoul(domid, NULL, 10) == d->domid && strtoul(devid, NULL, 10) == d->devid)
		return 0;
	snprintf(path, sizeof(path), "%s/%s/%s/params", backends, domid, devid);
	params = xs_read(h->xs, XBT_NULL, path, NULL);
	snprintf(path, sizeof(path), "%s/%s/%s/mode", backends, domid, devid);
	mode = params ? xs_read(h->xs, XBT_NULL, path, NULL) : NULL;
	/* A qdisk's begins with the format. */
	target = params && *params != '/' && strchr(params, ':') ? strchr(params, ':') + 1 : params;
	if (mode && (d->disk->readwrite || *mode == 'w') && same_backing(target, st))
		err = device_error(h, d, EBUSY, "domain %s has it as disk %s already, and not both only read it", domid, devid);
	free(params);
	free(mode);
	return err;
}

static int check_kind(struct host *h, struct device *d, const struct stat *st, const char *kind)
{
	char backends[48], path[80];
	unsigned int nr_domains = 0, nr;
	char **domains, **disks;
	int err = 0;

	snprintf(backends, sizeof(backends), "/local/domain/%u/backend/%s", d->backend_domid, kind);
	domains = xs_directory(h->xs, XBT_NULL, backends, &nr_domains);
	for (unsigned int i = 0; domains && i < nr_domains && !err; i++) {
		snprintf(path, sizeof(path), "%s/%.20s", backends, domains[i]);
		nr = 0;
		disks = xs_directory(h->xs, XBT_NULL, path, &nr);
		for (unsigned int k = 0; disks && k < nr && !err; k++)
			err = check_other(h, d, st, backends, domains[i], disks[k]);
		free(disks);
	}
	free(domains);
	return err;
}

/* Two may read a disk; who writes must be alone. */
static int check_others(struct host *h, struct device *d, const struct stat *st)
{
	int err = check_kind(h, d, st, backend_kinds[BACKEND_VBD]);

	return err ? err : check_kind(h, d, st, backend_kinds[BACKEND_QDISK]);
}

int disk_open(struct host *h, struct device *d, const struct disk_config *disk)
{
	int flags = (disk->readwrite ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK;
	struct stat st;

	d->disk = disk;
	if (stat(disk->target, &st))
		return device_error(h, d, errno, "%s", strerror(errno));
	if (!S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode))
		return device_error(h, d, EINVAL, "it is neither a file nor a block device");
	/* O_EXCL on a block device: nobody has mounted it. */
	d->backing = open(disk->target, S_ISBLK(st.st_mode) && disk->readwrite ? flags | O_EXCL : flags);
	if (d->backing < 0 && errno == EBUSY)
		return device_error(h, d, EBUSY, "it is in use here (mounted, or part of another device)");
	if (d->backing < 0 && errno == EROFS)
		return device_error(h, d, EROFS, "it can only be read; say so in the disk's access (r)");
	if (d->backing < 0)
		return device_error(h, d, errno, "it can't be opened%s: %s", disk->readwrite ? " to write" : "",
				    strerror(errno));
	if (S_ISBLK(st.st_mode)) {
		snprintf(d->physical, sizeof(d->physical), "%x:%x", major(st.st_rdev), minor(st.st_rdev));
	} else if (st.st_size < 512) {
		return device_error(h, d, EINVAL, "the file is shorter than one sector");
	}
	return check_others(h, d, &st);
}

static bool is_nbd(const struct disk_config *disk)
{
	static const char *const schemes[] = { "nbd://", "nbds://", "nbd+unix://", "nbds+unix://" };

	for (unsigned int i = 0; disk->target && i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (!strncmp(disk->target, schemes[i], strlen(schemes[i])))
			return true;
	return false;
}

static bool is_image(const struct disk_config *disk)
{
	return disk->format != DISK_RAW && disk->format != DISK_FORMAT_UNKNOWN && disk->format != DISK_EMPTY;
}

static enum backend_kind choose_backend(struct host *h, const struct disk_config *disk, uint32_t backend_domid)
{
	if (disk->backendtype == DISK_QDISK)
		return BACKEND_QDISK;
	if (disk->backendtype != DISK_BACKEND_UNKNOWN || disk->script)
		return BACKEND_VBD;
	if (is_image(disk) || is_nbd(disk))
		return BACKEND_QDISK;
	return backend_domid == device_own_domain(h) && backendd_runs() ? BACKEND_QDISK : BACKEND_VBD;
}

int disk_prepare(struct host *h, struct device *d, const struct disk_config *disk, uint32_t domid)
{
	uint32_t backend;
	int number = disk_vdev_number(disk->vdev, NULL, NULL);
	int err = device_backend(h, disk->backend, &backend);

	device_init(d, DEVICE_VBD, domid, err ? 0 : backend, number);
	d->disk = disk;
	snprintf(d->name, sizeof(d->name), "disk %s (%.100s)", disk->vdev, disk->target ? disk->target : "empty");
	if (err)
		return say_error(ENOENT, "%s: there is no domain %s to serve it", d->name, disk->backend);
	if (number < 0)
		return say_error(EINVAL, "%s: there is no virtual device of that name", d->name);
	device_set_backend(d, choose_backend(h, disk, backend), backend);
	if (disk->backendtype == DISK_TAP)
		return say_error(ENOTSUP, "%s: backendtype tap is not supported; qdisk and phy are", d->name);
	if (d->backend == BACKEND_VBD && (is_image(disk) || is_nbd(disk)))
		return say_error(ENOTSUP, "%s: backendtype phy%s serves raw files and block devices only; qdisk serves others too",
				 d->name, disk->script ? " (script= means that)" : "");
	if (d->backend == BACKEND_QDISK && disk->script)
		return say_error(ENOTSUP, "%s: backendtype qdisk runs no script; phy does", d->name);
	if (disk->specification && strcmp(disk->specification, "xen"))
		return say_error(ENOTSUP, "%s: specification=%s is not supported; xen is", d->name, disk->specification);
	if (disk->colo == TRI_ON)
		return say_error(ENOTSUP, "%s: colo is not supported", d->name);
	if (!disk->target)
		return say_error(ENOTSUP, "%s: a drive without a medium needs an HVM guest", d->name);
	/* With a script, or elsewhere, the target is not ours to understand. */
	if (disk->script || backend != device_own_domain(h))
		return 0;
	if (d->backend == BACKEND_VBD)
		return disk_open(h, d, disk);
	if (!backendd_runs())
		return say_error(ENODEV, "%s: backendd, which serves it, is not running (systemctl start backendd starts it)",
				 d->name);
	if (is_nbd(disk))
		return 0;
	err = disk_open(h, d, disk);
	/* It opens the file by itself, and may want to be the only one that has it open. */
	disk_release(d);
	return err;
}

/* --- nodes --------------------------------------------------------------------------------- */

static void script_path(const struct disk_config *disk, char *path, size_t size)
{
	const char *script = disk->script ? disk->script : "block";

	snprintf(path, size, "%s%s", *script == '/' ? "" : SCRIPT_FOLDER "/", script);
}

/* How libxl names formats to the backend of qdisks; vmdk and nbd are ours. */
static const char *qdisk_format(const struct disk_config *disk)
{
	static const char *const words[] = {
		[DISK_QCOW] = "qcow", [DISK_QCOW2] = "qcow2", [DISK_VHD] = "vhd", [DISK_QED] = "qed", [DISK_VMDK] = "vmdk"
	};

	if (is_image(disk))
		return words[disk->format];
	return is_nbd(disk) ? "nbd" : "aio";
}

void disk_nodes(struct xs_batch *b, const struct device *d)
{
	const char *const places[] = { d->back, d->libxl };
	const struct disk_config *disk = d->disk;
	const char *type = disk->is_cdrom ? "cdrom" : "disk";
	bool ours = d->backend == BACKEND_QDISK;
	char number[16], script[256], params[1100];

	snprintf(params, sizeof(params), "%s%s%s", ours ? qdisk_format(disk) : "", ours ? ":" : "", disk->target);
	snprintf(number, sizeof(number), "%u", d->devid);
	script_path(disk, script, sizeof(script));
	batch_write(b, number, "%s/virtual-device", d->front);
	batch_write(b, type, "%s/device-type", d->front);
	batch_write(b, disk->trusted == TRI_OFF ? "0" : "1", "%s/trusted", d->front);
	for (int i = 0; i < 2; i++) {
		batch_write(b, params, "%s/params", places[i]);
		if (!ours)
			batch_write(b, script, "%s/script", places[i]);
		batch_write(b, disk->removable ? "1" : "0", "%s/removable", places[i]);
		batch_write(b, "1", "%s/bootable", places[i]);
		batch_write(b, disk->vdev, "%s/dev", places[i]);
		batch_write(b, ours ? "qdisk" : "phy", "%s/type", places[i]);
		batch_write(b, disk->readwrite ? "w" : "r", "%s/mode", places[i]);
		batch_write(b, type, "%s/device-type", places[i]);
		if (disk->direct_io_safe)
			batch_write(b, "1", "%s/direct-io-safe", places[i]);
		/* As libxl: for files unless it is refused, for others only if asked for. */
		batch_write(b, disk->discard == TRI_OFF || !disk->readwrite ? "0" : "1", "%s/discard-enable", places[i]);
	}
}

/* --- the backend's device ---------------------------------------------------------------------- */

/* A free loop device bound to the file; another program may be quicker than us. Its descriptor, or -errno. */
static int bind_loop(struct device *d, unsigned int *number)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int err = control < 0 ? -errno : -EBUSY;

	for (int tries = 0; control >= 0 && tries < 64; tries++) {
		struct loop_config config = { .fd = d->backing };
		char path[32];
		int n = ioctl(control, LOOP_CTL_GET_FREE), fd;

		if (n < 0) {
			err = -errno;
			break;
		}
		snprintf(path, sizeof(path), "/dev/loop%d", n);
		fd = open(path, (d->disk->readwrite ? O_RDWR : O_RDONLY) | O_CLOEXEC);
		if (fd < 0) {
			err = -errno;
			break;
		}
		config.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO | (d->disk->readwrite ? 0 : LO_FLAGS_READ_ONLY);
		snprintf((char *)config.info.lo_file_name, LO_NAME_SIZE, "%s", d->disk->target);
		if (!ioctl(fd, LOOP_CONFIGURE, &config)) {
			close(control);
			*number = n;
			return fd;
		}
		err = -errno;
		close(fd);
		if (err != -EBUSY)
			break;
	}
	if (control >= 0)
		close(control);
	return err;
}

int disk_attach(struct host *h, struct device *d)
{
	struct xs_batch b = { 0 };
	unsigned int number = 0;
	struct stat st;
	int err;

	snprintf(d->physical_path, sizeof(d->physical_path), "%.31s", d->disk->target);
	if (!*d->physical) {
		d->keep_open = bind_loop(d, &number);
		if (d->keep_open < 0) {
			err = -d->keep_open;
			d->keep_open = -1;
			return device_error(h, d, err, "no loop device for the file: %s%s", strerror(err),
					    err == ENOENT ? "; is the module loop loaded?" : "");
		}
		if (fstat(d->keep_open, &st))
			return device_error(h, d, errno, "%s", strerror(errno));
		snprintf(d->physical, sizeof(d->physical), "%x:%x", major(st.st_rdev), minor(st.st_rdev));
		snprintf(d->physical_path, sizeof(d->physical_path), "/dev/loop%u", number);
	}
	batch_write(&b, d->physical_path, "%s/physical-device-path", d->back);
	batch_write(&b, d->physical, "%s/physical-device", d->back);
	batch_write(&b, "connected", "%s/hotplug-status", d->back);
	err = batch_run(h->xs, &b);
	if (err)
		device_error(h, d, -err, "xenstored: %s: %s", b.failed, strerror(-err));
	batch_free(&b);
	return err;
}

bool disk_taken(const struct device *d)
{
	char path[96];

	/* The backend's driver makes this when it has opened the device. */
	snprintf(path, sizeof(path), "/sys/bus/xen-backend/devices/vbd-%u-%u/physical_device", d->domid, d->devid);
	return !access(path, F_OK);
}

void disk_release(struct device *d)
{
	if (d->backing >= 0)
		close(d->backing);
	if (d->keep_open >= 0)
		close(d->keep_open);
	d->backing = d->keep_open = -1;
}
