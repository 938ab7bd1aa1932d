// SPDX-License-Identifier: MIT
/*
 * What the frontends of all kinds do in the store: find their backend, follow its state, tell their own.
 *
 * State machine, as stock backends take it; each edge is a function here, run by xenbus_poll, so there is no lock:
 *
 *	start		--backend InitWait-->	offer()		rings published, we say driver.published
 *	offered		--backend Connected-->	connected()	ready; we say Connected
 *	ready		--backend Connected-->	driver.told_again: it has changed something of the device
 *	any but end	--Closing; InitWait while ready; Connected while at the start-->	reset()
 *							rings taken away, we say Closed, and wait for its Closed
 *	any but end	--Closed-->		restart()	rings taken away, we say Initialising: start
 *	any		--Closing, Closed with "online" 0; node gone-->	end()	we say Closed, for ever
 *
 * Why reset: a backend that starts again finds our old nodes and may connect to rings that we have just taken away. Saying
 * Closed makes it let go of them and say Closed itself, after which both begin anew.
 *
 * What the backend writes is a hint as good as the backend; drivers hold its numbers to limits.
 */
#include "xenbus.h"

static enum xenbus_state backend_state(const struct xenbus_device *device)
{
	uint64_t state = xenbus_number_or(device->backend_state, NULL, XenbusStateUnknown);

	return state <= XenbusStateReconfigured ? (enum xenbus_state)state : XenbusStateUnknown;
}

static int set_state(struct xenbus_device *device, uint32_t tx, enum xenbus_state state)
{
	int result = xenbus_write_number(tx, device->path, "state", state);

	if (!result)
		device->state = state;
	return result;
}

bool xenbus_backend_has(const struct xenbus_device *device, const char *feature)
{
	return xenbus_number_or(device->backend, feature, 0) != 0;
}

/* ---- the edges ---- */

static void close_rings(struct xenbus_device *device)
{
	device->ready = device->offered = false;
	device->driver->close(device);
}

static void say(struct xenbus_device *device, enum xenbus_state state)
{
	if (device->state != state)
		set_state(device, 0, state);
}

static void reset(struct xenbus_device *device)
{
	close_rings(device);
	say(device, XenbusStateClosed);
}

static void restart(struct xenbus_device *device)
{
	close_rings(device);
	say(device, XenbusStateInitialising);
}

static void end(struct xenbus_device *device)
{
	device->dead = true;
	close_rings(device);
	if (device->driver->ended)
		device->driver->ended(device);
	os_wake(&device->wait);
	set_state(device, 0, XenbusStateClosed);
}

/* All nodes at once, so that the backend never sees half of them. */
static int publish(struct xenbus_device *device)
{
	int result;

	do {
		uint32_t tx;

		result = xenbus_transaction_start(&tx);
		if (result)
			return result;
		result = device->driver->publish(device, tx);
		result = result ? result : set_state(device, tx, device->driver->published);
		if (result)
			xenbus_transaction_end(tx, true);
		else
			result = xenbus_transaction_end(tx, false);
	} while (result == -XEN_EAGAIN);
	return result;
}

static void offer(struct xenbus_device *device)
{
	int result = device->driver->open(device);

	result = result ? result : publish(device);
	device->offered = !result;
	if (result) {
		os_log("%s could not be offered to its backend: error %d", device->path, -result);
		end(device);
	}
}

static void connected(struct xenbus_device *device)
{
	device->driver->connected(device);
	__atomic_store_n(&device->ready, true, __ATOMIC_RELEASE);
	if (device->state != XenbusStateConnected)
		set_state(device, 0, XenbusStateConnected);
	os_wake(&device->wait);
}

static void backend_changed(struct xenbus_watch *watch)
{
	struct xenbus_device *device = (void *)((char *)watch - offsetof(struct xenbus_device, watch));
	enum xenbus_state state = backend_state(device);

	if (device->dead || device->broken)
		return;
	switch (state) {
	case XenbusStateInitWait:
		if (device->ready)
			reset(device);
		else if (!device->offered && device->state == XenbusStateInitialising)
			offer(device);
		break;
	case XenbusStateConnected:
		if (device->offered && !device->ready)
			connected(device);
		else if (!device->offered)
			reset(device);
		else if (device->driver->told_again)
			device->driver->told_again(device);
		break;
	case XenbusStateClosing:
	case XenbusStateClosed:
		if (!xenbus_backend_has(device, "online"))
			end(device);
		else if (state == XenbusStateClosing)
			reset(device);
		else
			restart(device);
		break;
	case XenbusStateUnknown:
		end(device);
		break;
	default:
		break;
	}
}

/* ---- for the drivers ---- */

static int find_backend(struct xenbus_device *device)
{
	uint64_t id;
	int result = xenbus_read(0, device->path, "backend", device->backend, sizeof(device->backend));

	if (result >= 0)
		result = xenbus_read_number(0, device->path, "backend-id", &id);
	if (result < 0)
		return result;
	if (id >= DOMID_FIRST_RESERVED)
		return -XEN_EINVAL;
	device->backend_id = (domid_t)id;
	snprintf(device->backend_state, sizeof(device->backend_state), "%s/state", device->backend);
	return 0;
}

int xenbus_device_open(struct xenbus_device *device, const struct xenbus_driver *driver, unsigned int number)
{
	int result;

	device->driver = driver;
	device->state = XenbusStateInitialising;
	snprintf(device->path, sizeof(device->path), "device/%s/%u", driver->kind, number);
	result = find_backend(device);
	if (result)
		return result;
	device->watch.path = device->backend_state;
	device->watch.changed = backend_changed;
	return xenbus_watch(&device->watch);
}

void xenbus_device_close(struct xenbus_device *device)
{
	xenbus_unwatch(&device->watch);
	device->dead = true;
	set_state(device, 0, XenbusStateClosing);
	set_state(device, 0, XenbusStateClosed);
}

int xenbus_device_resume(struct xenbus_device *device, bool *moved)
{
	domid_t before = device->backend_id;
	int result;

	xenbus_unwatch(&device->watch);
	if (device->dead || device->broken)
		return -XEN_EIO;
	close_rings(device);
	result = find_backend(device);
	*moved = device->backend_id != before;
	result = result ? result : set_state(device, 0, XenbusStateInitialising);
	result = result ? result : xenbus_watch(&device->watch);
	if (result)
		end(device);
	return result;
}

bool xenbus_device_is_ready(const struct xenbus_device *device)
{
	return __atomic_load_n(&device->ready, __ATOMIC_ACQUIRE);
}

bool xenbus_device_is_dead(const struct xenbus_device *device)
{
	return __atomic_load_n(&device->dead, __ATOMIC_ACQUIRE) || __atomic_load_n(&device->broken, __ATOMIC_ACQUIRE);
}

int xenbus_device_wait(struct xenbus_device *device)
{
	for (;;) {
		uint32_t key = os_wait_key(&device->wait);

		if (xenbus_device_is_dead(device))
			return -XEN_EIO;
		if (xenbus_device_is_ready(device))
			return 0;
		os_wait(&device->wait, key);
	}
}

int xenbus_devices(const char *kind, unsigned int *numbers, unsigned int room)
{
	char path[32], names[512];
	unsigned int count = 0;
	int bytes;

	snprintf(path, sizeof(path), "device/%s", kind);
	bytes = xenbus_directory(0, path, names, sizeof(names));
	if (bytes == -XEN_ENOENT)
		return 0;
	if (bytes < 0)
		return bytes;
	for (const char *name = names; name < names + bytes; name += strlen(name) + 1) {
		unsigned int number = 0;

		for (const char *digit = name; *digit >= '0' && *digit <= '9'; digit++)
			number = number * 10 + (unsigned int)(*digit - '0');
		if (count < room)
			numbers[count] = number;
		count++;
	}
	return (int)count;
}
