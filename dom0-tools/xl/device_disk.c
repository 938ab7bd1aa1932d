// SPDX-License-Identifier: MIT
/*
 * Disks for a block backend of Linux's kind (backendtype=phy).
 *
 * What is behind the disk is a block device, or a file, which becomes one through a loop device. Without script= xl does
 * that by itself: a file is opened, checked, and bound to a free loop device with O_DIRECT if its file system can that,
 * and the loop device dissolves when the last one closes it (LO_FLAGS_AUTOCLEAR). So it lives exactly as long as the
 * backend has it open, whoever is killed; there is nothing to undo. We keep it open until the backend has.
 *
 * With script= that script is run, as libxl does.
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
static int check_other(struct host *h, struct device *d, const struct stat *st, const char *domid, const char *devid)
{
	char path[160];
	char *params, *mode;
	int err = 0;

	if (strtoul(domid, NULL, 10) == d->domid && strtoul(devid, NULL, 10) == d->devid)
		return 0;
	snprintf(path, sizeof(path), "/local/domain/%u/backend/vbd/%s/%s/params", d->backend_domid, domid, devid);
	params = xs_read(h->xs, XBT_NULL, path, NULL);
	snprintf(path, sizeof(path), "/local/domain/%u/backend/vbd/%s/%s/mode", d->backend_domid, domid, devid);
	mode = params ? xs_read(h->xs, XBT_NULL, path, NULL) : NULL;
	if (mode && (d->disk->readwrite || *mode == 'w') && same_backing(params, st))
		err = device_error(h, d, EBUSY, "domain %s has it as disk %s already, and not both only read it", domid, devid);
	free(params);
	free(mode);
	return err;
}

/* Two may read a disk; who writes must be alone. */
static int check_others(struct host *h, struct device *d, const struct stat *st)
{
	char path[80];
	unsigned int nr_domains = 0, nr;
	char **domains, **disks;
	int err = 0;

	snprintf(path, sizeof(path), "/local/domain/%u/backend/vbd", d->backend_domid);
	domains = xs_directory(h->xs, XBT_NULL, path, &nr_domains);
	for (unsigned int i = 0; domains && i < nr_domains && !err; i++) {
		snprintf(path, sizeof(path), "/local/domain/%u/backend/vbd/%s", d->backend_domid, domains[i]);
		nr = 0;
		disks = xs_directory(h->xs, XBT_NULL, path, &nr);
		for (unsigned int k = 0; disks && k < nr && !err; k++)
			err = check_other(h, d, st, domains[i], disks[k]);
		free(disks);
	}
	free(domains);
	return err;
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
	if (disk->backendtype == DISK_TAP || disk->backendtype == DISK_QDISK)
		return say_error(ENOTSUP, "%s: backendtype %s is not supported; phy is, with raw files and block devices", d->name,
				 disk->backendtype == DISK_TAP ? "tap" : "qdisk");
	if (disk->format != DISK_RAW && disk->format != DISK_FORMAT_UNKNOWN && disk->format != DISK_EMPTY)
		return say_error(ENOTSUP, "%s: only the format raw is supported", d->name);
	if (disk->specification && strcmp(disk->specification, "xen"))
		return say_error(ENOTSUP, "%s: specification=%s is not supported; xen is", d->name, disk->specification);
	if (disk->colo == TRI_ON)
		return say_error(ENOTSUP, "%s: colo is not supported", d->name);
	if (!disk->target)
		return say_error(ENOTSUP, "%s: a drive without a medium needs an HVM guest", d->name);
	/* With a script, or elsewhere, the target is not ours to understand. */
	if (disk->script || backend != device_own_domain(h))
		return 0;
	return disk_open(h, d, disk);
}

/* --- nodes --------------------------------------------------------------------------------- */

static void script_path(const struct disk_config *disk, char *path, size_t size)
{
	const char *script = disk->script ? disk->script : "block";

	snprintf(path, size, "%s%s", *script == '/' ? "" : SCRIPT_FOLDER "/", script);
}

void disk_nodes(struct xs_batch *b, const struct device *d)
{
	const char *const places[] = { d->back, d->libxl };
	const struct disk_config *disk = d->disk;
	const char *type = disk->is_cdrom ? "cdrom" : "disk";
	char number[16], script[256];

	snprintf(number, sizeof(number), "%u", d->devid);
	script_path(disk, script, sizeof(script));
	batch_write(b, number, "%s/virtual-device", d->front);
	batch_write(b, type, "%s/device-type", d->front);
	batch_write(b, disk->trusted == TRI_OFF ? "0" : "1", "%s/trusted", d->front);
	for (int i = 0; i < 2; i++) {
		batch_write(b, disk->target, "%s/params", places[i]);
		batch_write(b, script, "%s/script", places[i]);
		batch_write(b, disk->removable ? "1" : "0", "%s/removable", places[i]);
		batch_write(b, "1", "%s/bootable", places[i]);
		batch_write(b, disk->vdev, "%s/dev", places[i]);
		batch_write(b, "phy", "%s/type", places[i]);
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
