// SPDX-License-Identifier: MIT
/*
 * A disk: what it publishes to its backend and reads from it, and the check of what callers ask. When each of it happens is
 * xenbus_device.c's affair; requests on their way are blkfront_queue.c's.
 */
#include "blkfront_queue.h"

static struct blkfront *disk_of(struct xenbus_device *device)
{
	return (void *)((char *)device - offsetof(struct blkfront, device));
}

static unsigned int least(uint64_t a, uint64_t b)
{
	return (unsigned int)(a < b ? a : b);
}

static void all_queues(struct blkfront *disk, void (*what)(struct blk_queue *queue))
{
	for (unsigned int i = 0; i < disk->info.queues; i++)
		what(&disk->queues[i]);
}

/* ---- publishing ---- */

static void read_limits(struct blkfront *disk)
{
	const char *backend = disk->device.backend;
	struct blkfront_info *info = &disk->info;
	uint64_t indirect = xenbus_number_or(backend, "feature-max-indirect-segments", 0);

	info->queues = least(disk->options.queues, xenbus_number_or(backend, "multi-queue-max-queues", 1));
	if (!info->queues)
		info->queues = 1;
	info->ring_order = least(disk->options.ring_order, xenbus_number_or(backend, "max-ring-page-order", 0));
	info->segments = least(disk->options.segments,
			       indirect > BLKIF_MAX_SEGMENTS_PER_REQUEST ? indirect : BLKIF_MAX_SEGMENTS_PER_REQUEST);
}

static int publish_queue(const struct blk_queue *queue, uint32_t tx, const char *dir)
{
	int result = 0;

	for (unsigned int i = 0; i < queue->nr_ring_refs && !result; i++) {
		char name[24] = "ring-ref";

		if (queue->disk->info.ring_order)
			snprintf(name, sizeof(name), "ring-ref%u", i);
		result = xenbus_write_number(tx, dir, name, queue->ring_refs[i]);
	}
	return result ? result : xenbus_write_number(tx, dir, "event-channel", queue->port);
}

static int publish(struct xenbus_device *device, uint32_t tx)
{
	struct blkfront *disk = disk_of(device);
	const char *path = device->path;
	int result = 0;

	if (disk->info.ring_order)
		result = xenbus_write_number(tx, path, "ring-page-order", disk->info.ring_order);
	if (disk->info.queues > 1) {
		result = result ? result : xenbus_write_number(tx, path, "multi-queue-num-queues", disk->info.queues);
		for (unsigned int i = 0; i < disk->info.queues && !result; i++) {
			char dir[80];

			snprintf(dir, sizeof(dir), "%s/queue-%u", path, i);
			result = publish_queue(&disk->queues[i], tx, dir);
		}
	} else {
		result = result ? result : publish_queue(&disk->queues[0], tx, path);
	}
	result = result ? result : xenbus_write(tx, path, "protocol", "x86_64-abi");
	return result ? result : xenbus_write_number(tx, path, "feature-persistent", 1);
}

/* ---- the driver ---- */

void blkfront_fail(struct blkfront *disk)
{
	for (unsigned int i = 0; i < BLK_MAX_QUEUES; i++)
		blk_queue_fail(&disk->queues[i], -XEN_EIO);
	os_wake(&disk->device.wait);
}

static void close_queue(struct blk_queue *queue)
{
	if (!blk_queue_close(queue))
		os_log("blkfront: %s: the backend keeps the ring; its pages are lost", queue->disk->device.path);
}

static void close_rings(struct xenbus_device *device)
{
	all_queues(disk_of(device), close_queue);
}

static void ended(struct xenbus_device *device)
{
	blkfront_fail(disk_of(device));
}

static int open_rings(struct xenbus_device *device)
{
	struct blkfront *disk = disk_of(device);
	unsigned int before = disk->info.queues;
	int result = 0;

	read_limits(disk);
	/* Fewer queues than last time: what waited in the others goes to the first. */
	for (unsigned int i = disk->info.queues; i < before; i++)
		blk_queue_move(&disk->queues[i], &disk->queues[0]);
	for (unsigned int i = 0; i < disk->info.queues && !result; i++)
		result = blk_queue_open(&disk->queues[i]);
	return result;
}

static void read_size(struct xenbus_device *device)
{
	struct blkfront *disk = disk_of(device);
	const char *backend = device->backend;
	uint64_t bytes = xenbus_number_or(backend, "sector-size", BLKIF_UNIT_BYTES);

	disk->info.sectors = xenbus_number_or(backend, "sectors", 0);
	disk->info.sector_bytes = bytes >= BLKIF_UNIT_BYTES && bytes <= OS_PAGE_SIZE && !(bytes & (bytes - 1)) ?
				  (unsigned int)bytes : BLKIF_UNIT_BYTES;
	disk->info.physical_sector_bytes = (unsigned int)xenbus_number_or(backend, "physical-sector-size",
									  disk->info.sector_bytes);
}

static void connected(struct xenbus_device *device)
{
	struct blkfront *disk = disk_of(device);
	const char *backend = device->backend;
	unsigned int flags = (unsigned int)xenbus_number_or(backend, "info", 0);
	struct blkfront_info *info = &disk->info;

	read_size(device);
	info->cdrom = flags & VDISK_CDROM;
	info->removable = flags & VDISK_REMOVABLE;
	info->readonly = flags & VDISK_READONLY;
	disk->can_barrier = !xenbus_backend_has(device, "feature-flush-cache");
	info->can_flush = !disk->can_barrier || xenbus_backend_has(device, "feature-barrier");
	info->can_discard = xenbus_backend_has(device, "feature-discard");
	info->can_discard_secure = info->can_discard && xenbus_backend_has(device, "discard-secure");
	info->discard_granularity = (unsigned int)xenbus_number_or(backend, "discard-granularity", info->sector_bytes);
	info->discard_alignment = (unsigned int)xenbus_number_or(backend, "discard-alignment", 0);
	all_queues(disk, blk_queue_run);
}

static const struct xenbus_driver driver = {
	.kind = "vbd", .published = XenbusStateInitialised, .open = open_rings, .publish = publish,
	.connected = connected, .told_again = read_size, .close = close_rings, .ended = ended,
};

/* ---- for the OS ---- */

static unsigned int option(unsigned int given, unsigned int otherwise, unsigned int most)
{
	return least(given ? given : otherwise, most);
}

int blkfront_open(unsigned int number, const struct blkfront_options *options, struct blkfront **made)
{
	static const struct blkfront_options none;
	struct blkfront *disk = os_alloc(sizeof(*disk));
	int result;

	if (!disk)
		return -XEN_ENOMEM;
	options = options ? options : &none;
	disk->options.queues = option(options->queues, 1, BLK_MAX_QUEUES);
	disk->options.ring_order = option(options->ring_order, 0, BLK_MAX_ORDER);
	disk->options.segments = option(options->segments, 32, 256);
	disk->options.pages = option(options->pages, 256, 65535);
	if (disk->options.pages < disk->options.segments + 1)
		disk->options.pages = disk->options.segments + 1;
	for (unsigned int i = 0; i < BLK_MAX_QUEUES; i++) {
		disk->queues[i].disk = disk;
		disk->queues[i].number = i;
	}
	disk->info.queues = 1;
	result = xenbus_device_open(&disk->device, &driver, number);
	if (result)
		os_free(disk);
	else
		*made = disk;
	return result;
}

void blkfront_close(struct blkfront *disk)
{
	xenbus_device_close(&disk->device);
	for (unsigned int i = 0; i < BLK_MAX_QUEUES; i++)
		blk_queue_destroy(&disk->queues[i]);
	os_free(disk);
}

int blkfront_resume(struct blkfront *disk)
{
	bool moved = false;
	int result = xenbus_device_resume(&disk->device, &moved);

	for (unsigned int i = 0; i < BLK_MAX_QUEUES && moved; i++)
		blk_queue_regrant(&disk->queues[i]);
	return result;
}

bool blkfront_is_ready(const struct blkfront *disk)
{
	return xenbus_device_is_ready(&disk->device);
}

bool blkfront_is_dead(const struct blkfront *disk)
{
	return xenbus_device_is_dead(&disk->device);
}

int blkfront_wait(struct blkfront *disk)
{
	return xenbus_device_wait(&disk->device);
}

void blkfront_info(const struct blkfront *disk, struct blkfront_info *info)
{
	*info = disk->info;
}

/* Returns 0 where a request may be sent, 1 where it is over already, -XEN_E* where it can't be. */
static int check(const struct blkfront *disk, struct blk_request *request)
{
	const struct blkfront_info *info = &disk->info;
	uint64_t sectors = request->bytes / BLKIF_UNIT_BYTES, units = info->sector_bytes / BLKIF_UNIT_BYTES;

	if (blkfront_is_dead(disk))
		return -XEN_EIO;
	if (!info->sectors)
		return 0;	/* not yet known: the backend will judge */
	if (request->operation == BLK_FLUSH)
		return info->can_flush ? 0 : 1;
	if (request->operation != BLK_READ && info->readonly)
		return -XEN_EROFS;
	if ((request->operation == BLK_DISCARD && !info->can_discard) ||
	    (request->operation == BLK_DISCARD_SECURE && !info->can_discard_secure))
		return -XEN_EOPNOTSUPP;
	if (request->sector > info->sectors || sectors > info->sectors - request->sector ||
	    request->bytes % info->sector_bytes || request->sector % units)
		return -XEN_EINVAL;
	return 0;
}

void blkfront_submit(struct blkfront *disk, unsigned int queue, struct blk_request *request)
{
	int result;

	if (request->operation == BLK_FLUSH)
		request->bytes = 0;
	if (request->operation != BLK_FLUSH && (!request->bytes || request->bytes % BLKIF_UNIT_BYTES))
		result = -XEN_EINVAL;
	else
		result = check(disk, request);
	if (result) {
		request->status = result > 0 ? 0 : result;
		request->done(request);
		return;
	}
	blk_queue_submit(&disk->queues[queue % disk->info.queues], request);
}

struct transfer {
	struct blkfront *disk;
	bool over;
};

/* Once `over` is seen, the waiter's memory is gone: what is woken is the disk's. */
static void transfer_done(struct blk_request *request)
{
	struct transfer *transfer = request->argument;
	struct blkfront *disk = transfer->disk;

	__atomic_store_n(&transfer->over, true, __ATOMIC_RELEASE);
	os_wake(&disk->device.wait);
}

int blkfront_transfer(struct blkfront *disk, enum blk_operation operation, uint64_t sector, void *buffer, uint64_t bytes)
{
	struct transfer transfer = { .disk = disk };
	struct blk_request request = { .operation = operation, .sector = sector, .bytes = bytes, .buffer = buffer,
				       .done = transfer_done, .argument = &transfer };

	blkfront_submit(disk, 0, &request);
	for (;;) {
		uint32_t key = os_wait_key(&disk->device.wait);

		if (__atomic_load_n(&transfer.over, __ATOMIC_ACQUIRE))
			return request.status;
		os_wait(&disk->device.wait, key);
	}
}
