// SPDX-License-Identifier: MIT
/*
 * Records of what is under way, so that whatever kills xl leaves nothing for good.
 *
 *	/run/xen/xl/create-UUID		a guest is being made; in it is its domain number, once it has one
 *	/run/xen/xl/destroy-UUID	a domain is being taken apart
 *	/run/xen/xl/lock		held while a name is checked and taken
 *	/run/xen/xl/devices		held while numbers of devices are checked and taken
 *
 * 1. A record exists before the first step it is about, and is removed after the last.
 * 2. Who works on it holds a lock on it (flock(2)), which the kernel takes away from the dead. So a record that can be
 *    locked and still has its name was left behind.
 * 3. The sweep destroys that domain, for both kinds: a guest half made is worth nothing. Then nodes and files go, also
 *    where there is no domain any more. A domain is known by its number and UUID. Where no number was written yet, the
 *    UUID alone tells it, so no record of making one is opened while another living domain has that UUID.
 *
 * The folder is in memory and empty after a boot, as the list of domains is.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "bootloader.h"
#include "destroy.h"

#define FOLDER		"/var/run/xen/xl"
#define DOMAINS_AT_ONCE	256

/* The descriptor; -ESTALE: who had the lock has removed the file, another try makes it anew; else -errno. */
static int open_locked(const char *path, int flags, int operation)
{
	struct stat by_name, by_fd;
	int fd = open(path, flags | O_RDWR | O_CLOEXEC, 0600), err;

	if (fd < 0 && errno == ENOENT && flags & O_CREAT) {
		mkdir("/var/run/xen", 0755);
		mkdir(FOLDER, 0700);
		fd = open(path, flags | O_RDWR | O_CLOEXEC, 0600);
	}
	if (fd < 0)
		return -errno;
	while (flock(fd, operation)) {
		if (errno == EINTR)
			continue;
		err = errno;
		close(fd);
		return -err;
	}
	/* Whoever had it before may have removed it. */
	if (stat(path, &by_name) || fstat(fd, &by_fd) || by_name.st_ino != by_fd.st_ino) {
		close(fd);
		return -ESTALE;
	}
	return fd;
}

/* A new record is locked before it has a name: there is no moment at which it looks left behind. -EEXIST: there is one. */
static int new_locked(const char *path)
{
	char self[32];
	int fd, err = 0;

	mkdir("/var/run/xen", 0755);
	mkdir(FOLDER, 0700);
	fd = open(FOLDER, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (flock(fd, LOCK_EX | LOCK_NB) || linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW)) {
		err = errno;
		close(fd);
	}
	return err ? -err : fd;
}

int record_open(struct record *r, const char *what, const uint8_t uuid[16])
{
	char text[37];

	uuid_format(text, uuid);
	snprintf(r->path, sizeof(r->path), FOLDER "/%s-%s", what, text);
	do {
		r->fd = new_locked(r->path);
		if (r->fd != -EEXIST)
			break;
		/* Somebody works on it, and that is waited for; or it was left behind. */
		r->fd = open_locked(r->path, 0, LOCK_EX);
	} while (r->fd == -ESTALE || r->fd == -ENOENT);
	/* One that was left behind may name an older domain. */
	if (r->fd >= 0 && ftruncate(r->fd, 0)) {
		int err = errno;

		close(r->fd);
		r->fd = -err;
	}
	if (r->fd < 0)
		return say_error(-r->fd, "can't write down what is under way: %s: %s", r->path, strerror(-r->fd));
	return 0;
}

void record_domid(struct record *r, uint32_t domid)
{
	/* Without it the sweep goes by the UUID; so an error does not matter. */
	if (r->fd >= 0)
		dprintf(r->fd, "%u\n", domid);
}

void record_close(struct record *r)
{
	if (r->fd < 0)
		return;
	unlink(r->path);
	close(r->fd);
	r->fd = -1;
}

static int lock(const char *path)
{
	int fd;

	do {
		fd = open_locked(path, O_CREAT, LOCK_EX);
	} while (fd == -ESTALE);
	return fd < 0 ? say_error(-fd, "can't lock %s: %s", path, strerror(-fd)) : fd;
}

int name_lock(void)
{
	return lock(FOLDER "/lock");
}

int devices_lock(void)
{
	return lock(FOLDER "/devices");
}

void unlock(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* --- the sweep ------------------------------------------------------------------------------- */

static int parse_uuid(uint8_t uuid[16], const char *text)
{
	for (int i = 0; i < 16; i++) {
		unsigned int byte;

		text += *text == '-';
		if (sscanf(text, "%2x", &byte) != 1)
			return -EINVAL;
		uuid[i] = byte;
		text += 2;
	}
	return 0;
}

/* The domain with a UUID; one that is dying already only if there is no other (a restart gives a new one the same). */
static int find_domain(struct host *h, const uint8_t uuid[16], bool dying_too, uint32_t *domid)
{
	struct xen_domctl_getdomaininfo list[DOMAINS_AT_ONCE];
	int n, result = -ENOENT;
	uint32_t first = 1;

	do {
		n = xc_domain_list(h->x, first, list, DOMAINS_AT_ONCE);
		for (int i = 0; i < n; i++) {
			if (memcmp(list[i].handle, uuid, 16))
				continue;
			if (list[i].flags & XEN_DOMINF_dying && !dying_too)
				continue;
			*domid = list[i].domain;
			if (!(list[i].flags & XEN_DOMINF_dying))
				return 0;
			result = 0;
		}
		if (n > 0)
			first = list[n - 1].domain + 1;
	} while (n == DOMAINS_AT_ONCE);
	return n < 0 ? n : result;
}

int uuid_lookup(struct host *h, const uint8_t uuid[16], uint32_t *domid)
{
	int err = find_domain(h, uuid, false, domid);

	return err == -ENOENT ? 0 : err ? say_call_error(h, "looking for a UUID") : -EEXIST;
}

/* The number that was written down, if its domain is there and is still ours; else -ENOENT. *used: another has it now. */
static int find_written(struct host *h, uint32_t written, const uint8_t uuid[16], bool *used)
{
	struct xen_domctl_getdomaininfo info;

	*used = !xc_domain_info(h->x, written, &info);
	return *used && !memcmp(info.handle, uuid, 16) ? 0 : -ENOENT;
}

static void finish(struct host *h, const char *name)
{
	const char *dash = strchr(name, '-');
	struct record r = { .fd = -1 };
	uint32_t domid, written = 0;
	char text[16] = "";
	uint8_t uuid[16];
	bool used = true;

	if (!dash || parse_uuid(uuid, dash + 1))
		return;
	snprintf(r.path, sizeof(r.path), FOLDER "/%s", name);
	r.fd = open_locked(r.path, 0, LOCK_EX | LOCK_NB);
	if (r.fd < 0)
		return;		/* somebody works on it, or has just finished */
	if (read(r.fd, text, sizeof(text) - 1) > 0)
		written = strtoul(text, NULL, 10);
	domid = written;
	if (!(written ? find_written(h, written, uuid, &used) : find_domain(h, uuid, true, &domid))) {
		fprintf(stderr, "xl: domain %u was left behind by an xl that was killed; it is destroyed\n", domid);
		destroy_parts(h, domid, uuid);
	} else if (!used) {
		destroy_remains(h, written, uuid);
	}
	record_close(&r);
}

void guest_sweep(struct host *h)
{
	DIR *folder = opendir(FOLDER);
	struct dirent *entry;

	bootloader_sweep();
	if (!folder)
		return;
	while ((entry = readdir(folder)))
		if (!strncmp(entry->d_name, "create-", 7) || !strncmp(entry->d_name, "destroy-", 8))
			finish(h, entry->d_name);
	closedir(folder);
}
