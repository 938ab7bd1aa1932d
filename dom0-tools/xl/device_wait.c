// SPDX-License-Identifier: MIT
/*
 * Waiting for backends, and the scripts that stand behind devices.
 *
 * All devices are waited for together, on a connection to the store of its own: each has watches on its state and on
 * what its script reports. A wait ends with the last of them, with the first that says it can't, or with its time.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "device.h"

#define READY_SECONDS	60	/* for a backend's driver to take a device, and for its script */
#define CLOSED_SECONDS	20	/* for guest and backend to let go */
#define LOOK_MS		10	/* between looks at what has no watch (sysfs) */

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

static char *read_node(struct xs_handle *xs, const struct device *d, const char *node)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", d->back, node);
	return xs_read(xs, XBT_NULL, path, NULL);
}

/* The backend's state of xen/io/xenbus.h; 0 if there is no such node. */
static int state_of(struct xs_handle *xs, const struct device *d)
{
	char *text = read_node(xs, d, "state");
	int state = text ? atoi(text) : 0;

	free(text);
	return state;
}

static struct xs_handle *watch_all(struct host *h, struct device *devices, unsigned int nr)
{
	struct xs_handle *xs = xs_open(0);
	char path[128];

	for (unsigned int i = 0; xs && i < nr; i++)
		for (int k = 0; k < 2; k++) {
			snprintf(path, sizeof(path), "%s/%s", devices[i].back, k ? "hotplug-status" : "state");
			if (!xs_watch(xs, path, "device")) {
				xs_close(xs);
				xs = NULL;
				break;
			}
		}
	if (!xs)
		say_error(errno, "the devices can't be watched: xenstored: %s", strerror(errno));
	return xs;
}

/* Until something has changed, or @end, or after LOOK_MS with @look. False after the end. */
static bool wait_change(struct xs_handle *xs, int64_t end, bool look)
{
	int64_t left = end - now_ms();
	struct pollfd fd = { .fd = xs_fileno(xs), .events = POLLIN };
	char **event;

	if (left <= 0)
		return false;
	poll(&fd, 1, look && left > LOOK_MS ? LOOK_MS : (int)left);
	while ((event = xs_check_watch(xs)) != NULL)
		free(event);
	return true;
}

/* --- scripts ------------------------------------------------------------------------------------ */

static void run_script(const struct device *d, const char *script, const char *what)
{
	char vif[32];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	snprintf(vif, sizeof(vif), "vif%u.%u", d->domid, d->devid);
	setenv("script", script, 1);
	setenv("XENBUS_TYPE", device_kinds[d->kind], 1);
	setenv("XENBUS_PATH", d->back, 1);
	setenv("XENBUS_BASE_PATH", "backend", 1);
	dup2(null, 0);
	dup2(2, 1);
	signal(SIGPIPE, SIG_DFL);
	if (d->kind == DEVICE_VIF) {
		setenv("vif", vif, 1);
		execl(script, script, what, "type_if=vif", NULL);
	} else {
		execl(script, script, what, NULL);
	}
	fprintf(stderr, "xl: %s: %s\n", script, strerror(errno));
	_exit(127);
}

/* Its status; -ETIME if it had to be ended. */
static int wait_script(pid_t pid)
{
	struct pollfd fd = { .fd = syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	int status = -1, n;

	do
		n = poll(&fd, 1, READY_SECONDS * 1000);
	while (n < 0 && errno == EINTR);
	if (!n)
		kill(pid, SIGKILL);
	if (fd.fd >= 0)
		close(fd.fd);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return n ? status : -ETIME;
}

int device_script(struct host *h, const struct device *d, const char *what)
{
	char *script, *node;
	struct stat st;
	int status;
	pid_t pid;

	if (d->backend_domid != device_own_domain(h))
		return 0;
	script = read_node(h->xs, d, "script");
	/* What xl has bound by itself has no `node`: there is nothing to undo (device_disk.c). */
	node = script && d->kind == DEVICE_VBD && !strcmp(what, "remove") ? read_node(h->xs, d, "node") : NULL;
	if (!script || (d->kind == DEVICE_VBD && !strcmp(what, "remove") && !node && strstr(script, "/block") &&
			!strcmp(strrchr(script, '/'), "/block"))) {
		free(script);
		return 0;
	}
	free(node);
	if (stat(script, &st)) {
		status = device_error(h, d, errno, "its script %s can't be run: %s", script, strerror(errno));
		free(script);
		return status;
	}
	fflush(NULL);
	pid = fork();
	if (!pid)
		run_script(d, script, what);
	status = pid < 0 ? -errno : wait_script(pid);
	if (status == -ETIME)
		status = device_error(h, d, ETIME, "its script %s %s did not end in %d seconds", script, what, READY_SECONDS);
	else if (status)
		status = device_error(h, d, EIO, "its script %s %s failed%s", script, what,
				      "; /var/log/xen/xen-hotplug.log may say more");
	free(script);
	return status;
}

/* --- until they are ready ---------------------------------------------------------------------------- */

/* Is there a driver at all? Only said when nothing else would come. */
static int no_backend(struct host *h, struct device *d)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/bus/xen-backend/drivers/%s", device_kinds[d->kind]);
	if (!d->backend_domid && !device_is_ours(d) && access(path, F_OK))
		return device_error(h, d, ENODEV, "no backend driver serves it: load the module %s",
				    d->kind == DEVICE_VBD ? "xen-blkback" : "xen-netback");
	return device_error(h, d, ETIME, "its backend in domain %u did not get ready in %d seconds", d->backend_domid,
			    READY_SECONDS);
}

/* The backend waits for what is behind the device: makes it. */
static int plug(struct host *h, struct device *d)
{
	d->stage = STAGE_HOTPLUG;
	if (d->backend_domid != device_own_domain(h) || d->backend == BACKEND_QDISK) {
		d->stage = STAGE_DONE;
		return 0;
	}
	/* udev's rules run the scripts where xl.conf says so. */
	if (h->conf && !h->conf->run_hotplug_scripts && d->kind == DEVICE_VIF)
		return 0;
	if (d->kind == DEVICE_VBD && !d->disk->script)
		return disk_attach(h, d);
	return device_script(h, d, d->kind == DEVICE_VBD ? "add" : "online");
}

static int look_at(struct host *h, struct xs_handle *xs, struct device *d)
{
	int state = state_of(xs, d), err;
	char *status;

	if (d->stage == STAGE_BACKEND && (state == 2 || state == 4)) {
		err = plug(h, d);
		if (err)
			return err;
	}
	if (state == 5 || state == 6)
		return device_error(h, d, EIO, "its backend has closed it");
	if (d->stage != STAGE_HOTPLUG)
		return 0;
	status = read_node(xs, d, "hotplug-status");
	err = status && !strcmp(status, "error") ? device_error(h, d, EIO, "its script failed") : 0;
	/* A disk of ours is done when the backend has opened it; then our descriptor can go. */
	if (d->kind == DEVICE_VBD && !d->disk->script ? disk_taken(d) : status && !strcmp(status, "connected"))
		d->stage = STAGE_DONE;
	free(status);
	return err;
}

int devices_wait_ready(struct host *h, struct device *devices, unsigned int nr)
{
	struct xs_handle *xs = watch_all(h, devices, nr);
	int64_t end = now_ms() + READY_SECONDS * 1000;
	int err = xs ? 0 : -EIO;

	for (bool more = true; more && !err;) {
		struct device *late = NULL;
		bool look = false;

		for (unsigned int i = 0; i < nr && !err; i++) {
			err = look_at(h, xs, &devices[i]);
			if (devices[i].stage == STAGE_DONE)
				continue;
			late = &devices[i];
			look |= late->stage == STAGE_HOTPLUG && late->kind == DEVICE_VBD;
		}
		more = late != NULL;
		if (more && !err && !wait_change(xs, end, look))
			err = no_backend(h, late);
	}
	if (xs)
		xs_close(xs);
	return err;
}

/* --- until they are closed ------------------------------------------------------------------------- */

int devices_wait_closed(struct host *h, struct device *devices, unsigned int nr, bool patient)
{
	struct xs_handle *xs = watch_all(h, devices, nr);
	int64_t end = now_ms() + CLOSED_SECONDS * 1000;
	struct device *open;

	if (!xs)
		return -EIO;
	do {
		open = NULL;
		for (unsigned int i = 0; i < nr && !open; i++) {
			int state = state_of(xs, &devices[i]);

			if (state && state != 6)
				open = &devices[i];
		}
	} while (open && wait_change(xs, end, false));
	xs_close(xs);
	if (open && patient)
		return device_error(h, open, EBUSY, "the guest did not give it back in %d seconds", CLOSED_SECONDS);
	return 0;
}
