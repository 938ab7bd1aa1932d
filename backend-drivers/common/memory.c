// SPDX-License-Identifier: MIT
/*
 * What a connection owns for as long as it lasts, whoever serves it: the file of its memory, its event channels, and the
 * access to its grants.
 *
 * Event channels are bound by a descriptor of the device's own, which the worker gets too, restricted to that domain.
 * Besides the frontend's there is the doorbell, a channel between the keeper and that descriptor: so a worker that waits
 * for its guest hears the keeper with the same read().
 *
 * Grants: each device has a descriptor of /dev/xen/gntdev of its own. MAP_GRANT_REF by the keeper prepares a mapping;
 * the worker, whose system call filter knows no ioctl of gntdev, can only mmap() what was prepared for its own device.
 * A mapping can be made once, and lives in the process that made it; so a new worker gets a new descriptor.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "../../dom0-tools/libxenctrl/xenctrl.h"
#include "keeper.h"

/* linux/include/uapi/xen/evtchn.h, gntdev.h */
#define IOCTL_BIND_UNBOUND	_IOC(_IOC_NONE, 'E', 2, 4)
#define IOCTL_RESTRICT_DOMID	_IOC(_IOC_NONE, 'E', 6, 2)
#define IOCTL_MAP_GRANT_REF	_IOC(_IOC_NONE, 'G', 0, 24)
#define IOCTL_UNMAP_GRANT_REF	_IOC(_IOC_NONE, 'G', 1, 16)
#define IOCTL_GRANT_COPY	_IOC(_IOC_NONE, 'G', 8, 16)
#define GNTCOPY_SOURCE_GREF	1
#define GNTCOPY_DEST_GREF	2
#define GNTST_GENERAL_ERROR	-1

#define PREPARED_MOST	32768u		/* pages of grants that a worker may have: each costs dom0 a little memory */

static int bells = -1;		/* the keeper's ends of the doorbells */

static void file_name(const struct device *d, char *path, size_t size)
{
	snprintf(path, size, "%s/backendd/%s-%u-%u", options.run_dir, d->kind->name, d->domid, d->devid);
}

/* Of the same connection, by a keeper that wrote it as we do? */
static bool same_memory(const struct device *d, const char *connection, uint64_t size, int fd)
{
	const struct backend_memory *m;
	struct stat st;
	bool same;

	if (fstat(fd, &st) || (uint64_t)st.st_size != size)
		return false;
	m = mmap(NULL, BACKEND_OWN, PROT_READ, MAP_SHARED, fd, 0);
	if (m == MAP_FAILED)
		return false;
	same = m->magic == BACKEND_MAGIC && m->layout == d->kind->layout && m->size == size && m->domid == d->domid &&
	       m->devid == d->devid && !strncmp(m->connection, connection, sizeof(m->connection));
	munmap((void *)m, BACKEND_OWN);
	return same;
}

static void predecessor_ended(void *context, uint32_t events)
{
	struct device *d = context;

	device_forget_predecessor(d);
	device_look(d);
}

void device_forget_predecessor(struct device *d)
{
	events_remove(d->predecessor_source);
	d->predecessor_source = NULL;
	if (d->predecessor >= 0)
		close(d->predecessor);
	d->predecessor = -1;
}

/*
 * The worker of a killed keeper may still be about to end, and has the event channels until then. It has its memory
 * locked (spawn.c). True if there is such a one; the device is looked at again when it is gone.
 */
static bool has_predecessor(struct device *d, int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_GETLK, &lock) || lock.l_type == F_UNLCK)
		return false;
	device_forget_predecessor(d);
	d->predecessor = syscall(SYS_pidfd_open, lock.l_pid, 0);
	if (d->predecessor < 0)
		return false;
	kill(lock.l_pid, SIGKILL);
	d->predecessor_source = events_add(d->predecessor, EPOLLIN, predecessor_ended, d);
	return d->predecessor_source != NULL;
}

static int open_events(struct device *d)
{
	uint32_t own = own_domid;
	int bell, fd = xc_events_open(), port;

	if (fd < 0)
		return device_error(d, -fd, "/dev/xen/evtchn can't be opened: %s", strerror(-fd));
	d->events_fd = fd;
	if (bells < 0)
		bells = xc_events_open();
	port = ioctl(fd, IOCTL_BIND_UNBOUND, &own);
	if (port < 0)
		return device_error(d, errno, "no event channel to its worker: %s", strerror(errno));
	bell = bells < 0 ? bells : xc_events_bind(bells, own, port);
	if (bell < 0)
		return device_error(d, -bell, "no event channel to its worker: %s", strerror(-bell));
	d->memory->doorbell = port;
	d->bell = bell;
	return 0;
}

int device_new_grants(struct device *d)
{
	int fd = xc_grants_open();

	if (fd < 0)
		return device_error(d, -fd, "/dev/xen/gntdev can't be opened: %s", strerror(-fd));
	if (d->grants_fd >= 0)
		close(d->grants_fd);
	d->grants_fd = fd;
	d->prepared = 0;
	return 0;
}

int device_memory(struct device *d, const char *connection, size_t own)
{
	char path[256];
	uint64_t size = BACKEND_OWN + ((own + 4095) & ~4095ull);
	int fd, err;
	bool same;

	if (strlen(connection) >= sizeof(d->memory->connection))
		return device_error(d, EINVAL, "the frontend's nodes are too long");
	file_name(d, path, sizeof(path));
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	same = fd >= 0 && same_memory(d, connection, size, fd);
	if (fd >= 0 && has_predecessor(d, fd)) {
		close(fd);
		return -EAGAIN;
	}
	if (!same && d->resuming) {
		if (fd >= 0)
			close(fd);
		return device_error(d, ESTALE, "%s does not tell what was under way; the frontend has to connect anew", path);
	}
	if (!same) {
		if (fd >= 0)
			close(fd);
		unlink(path);
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0 || ftruncate(fd, size)) {
			err = errno;
			if (fd >= 0)
				close(fd);
			return device_error(d, err, "%s can't be made: %s", path, strerror(err));
		}
	}
	d->memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (d->memory == MAP_FAILED) {
		d->memory = NULL;
		close(fd);
		return device_error(d, ENOMEM, "no memory for its journal");
	}
	d->memory_fd = fd;
	d->memory_size = size;
	if (!same) {
		d->memory->layout = d->kind->layout;
		d->memory->size = size;
		d->memory->domid = d->domid;
		d->memory->devid = d->devid;
		strcpy(d->memory->connection, connection);
		snprintf(d->memory->name, sizeof(d->memory->name), "%s", d->name);
		shared_store(&d->memory->magic, BACKEND_MAGIC);
	}
	err = open_events(d);
	err = err ? err : device_new_grants(d);
	if (err)
		device_memory_end(d);
	return err ? err : same;
}

void memory_clean(void)
{
	char folder[200], path[600], kind[16];
	uint32_t domid, devid;
	struct dirent *e;
	int end;
	DIR *dir;

	snprintf(folder, sizeof(folder), "%s/backendd", options.run_dir);
	dir = opendir(folder);
	while (dir && (e = readdir(dir)) != NULL) {
		char *state;

		if (sscanf(e->d_name, "%15[a-z]-%u-%u%n", kind, &domid, &devid, &end) != 3 || e->d_name[end])
			continue;
		snprintf(path, sizeof(path), "/local/domain/%u/backend/%s/%u/%u/state", own_domid, kind, domid, devid);
		state = xs_read(store, XBT_NULL, path, NULL);
		if (!state && errno == ENOENT) {
			snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
			unlink(path);
			for (const struct backend_kind *const *k = backend_kinds; *k; k++)
				if (!strcmp((*k)->name, kind) && (*k)->left)
					(*k)->left(domid, devid);
		}
		free(state);
	}
	if (dir)
		closedir(dir);
}

void *device_memory_own(struct device *d)
{
	return (char *)d->memory + BACKEND_OWN;
}

void device_memory_end(struct device *d)
{
	char path[256];

	if (d->memory) {
		file_name(d, path, sizeof(path));
		unlink(path);
		munmap(d->memory, d->memory_size);
		d->memory = NULL;
		close(d->memory_fd);
	}
	if (d->bell > 0)
		xc_events_unbind(bells, d->bell);
	d->bell = 0;
	if (d->events_fd >= 0)
		close(d->events_fd);
	if (d->grants_fd >= 0)
		close(d->grants_fd);
	d->memory_fd = d->events_fd = d->grants_fd = -1;
}

/* --- event channels ---------------------------------------------------------------------------- */

int device_bind(struct device *d, uint32_t remote_port)
{
	int port = xc_events_bind(d->events_fd, d->domid, remote_port);

	if (port < 0)
		return device_error(d, -port, "the frontend's event channel %u can't be bound: %s", remote_port,
				    strerror(-port));
	return port;
}

void device_restrict(struct device *d)
{
	uint16_t domid = d->domid;

	if (ioctl(d->events_fd, IOCTL_RESTRICT_DOMID, &domid) && errno != EACCES)
		log_line("%s: its event channels can't be restricted to its domain: %s", d->name, strerror(errno));
}

void device_ring(struct device *d)
{
	if (d->bell)
		xc_events_notify(bells, d->bell);
}

/* --- grants --------------------------------------------------------------------------------------- */

void device_serve_map(struct device *d, struct message *m)
{
	struct {
		uint32_t count, pad;
		uint64_t index;
		struct {
			uint32_t domid, ref;
		} refs[MESSAGE_ITEMS];
	} map = { .count = m->count };

	if (!m->count || m->count > MESSAGE_ITEMS || d->prepared + m->count > PREPARED_MOST) {
		m->error = EINVAL;
		return;
	}
	for (uint32_t i = 0; i < m->count; i++) {
		map.refs[i].domid = d->domid;
		map.refs[i].ref = m->refs[i];
	}
	m->error = ioctl(d->grants_fd, IOCTL_MAP_GRANT_REF, &map) ? errno : 0;
	m->index = map.index;
	d->prepared += m->error ? 0 : m->count;
}

void device_serve_unmap(struct device *d, const struct message *m)
{
	struct {
		uint64_t index;
		uint32_t count, pad;
	} unmap = { .index = m->index, .count = m->count };

	if (!ioctl(d->grants_fd, IOCTL_UNMAP_GRANT_REF, &unmap))
		d->prepared -= m->count;
}

/* A piece that lies outside of the buffer or of a page is refused here, and not looked at by the kernel. */
void device_serve_copy(struct device *d, struct message *m)
{
	struct side {
		union {
			uint64_t virt;
			struct {
				uint32_t ref;
				uint16_t offset, domid;
			} foreign;
		};
	};
	struct segment {
		struct side source, dest;
		uint16_t length, flags;
		int16_t status;
	} segments[MESSAGE_ITEMS];
	struct {
		uint32_t count;
		uint64_t segments;
	} copy = { .segments = (uintptr_t)segments };
	uint16_t where[MESSAGE_ITEMS];
	int16_t status[MESSAGE_ITEMS];
	size_t bytes = 0;
	char *buffer = d->kind->buffer ? d->kind->buffer(d, &bytes) : NULL;

	_Static_assert(sizeof(struct segment) == 24, "uapi/xen/gntdev.h");
	if (!buffer || m->count > MESSAGE_ITEMS) {
		m->error = EINVAL;
		return;
	}
	for (uint32_t i = 0; i < m->count; i++) {
		const struct message_copy *c = &m->copies[i];
		struct segment *s = &segments[copy.count];
		struct side guest = { .foreign = { .ref = c->ref, .offset = c->offset, .domid = d->domid } };

		status[i] = GNTST_GENERAL_ERROR;
		if (c->offset + c->length > 4096 || (uint64_t)c->buffer + c->length > bytes)
			continue;
		*s = (struct segment){ .length = c->length,
				       .flags = c->to_guest ? GNTCOPY_DEST_GREF : GNTCOPY_SOURCE_GREF };
		*(c->to_guest ? &s->dest : &s->source) = guest;
		(c->to_guest ? &s->source : &s->dest)->virt = (uintptr_t)buffer + c->buffer;
		where[copy.count++] = i;
	}
	m->error = copy.count && ioctl(d->grants_fd, IOCTL_GRANT_COPY, &copy) ? errno : 0;
	for (uint32_t i = 0; i < copy.count && !m->error; i++)
		status[where[i]] = segments[i].status;
	memcpy(m->status, status, m->count * sizeof(status[0]));
}
