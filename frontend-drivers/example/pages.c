// SPDX-License-Identifier: MIT
/*
 * The disk as lwIP's HTTP server wants a file system: a tar archive, written to the disk as it is.
 *
 *	tar --format=ustar -cf disk.img index.html pictures/
 *
 * The archive's table is read once, at the start. Pages are read while they are sent: the server asks for a piece, is told
 * to wait, and is called when the disk has answered (fs_wait_cb), from pages_poll in the main loop. One buffer for each
 * open page, so a slow reader holds up nobody.
 */
#include <lwip/apps/fs.h>

#include "web.h"

#define SECTOR		512u
#define BUFFER_BYTES	(16u << 10)
#define MAX_PAGES	512u

/* A header of an ustar archive (POSIX 1003.1, pax): one sector in front of each file. */
struct tar_header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, link[100];
	char magic[6], version[2], owner[32], group[32], major[8], minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct tar_header) == SECTOR, "a tar header fills a sector");

struct page {
	char name[104];			/* "/index.html" */
	uint64_t sector;		/* where it begins */
	uint32_t bytes;
};

/* A page that is being sent. */
struct open_page {
	const struct page *page;
	uint64_t sector;		/* what the buffer holds, if it is full */
	bool reading, over, full;	/* `over`: the disk has answered, the server is to be told */
	bool closed;			/* nobody wants the answer any more */
	fs_wait_cb tell;
	void *tell_argument;
	struct blk_request request;
	void *buffer;
	struct open_page *next;
};

static struct blkfront *disk;
static struct page pages[MAX_PAGES];
static unsigned int nr_pages;
static struct open_page *all;		/* main loop only; handlers set `over` */

/* ---- the archive's table ---- */

static bool disk_is_ready(void *what)
{
	(void)what;
	if (blkfront_is_dead(disk))
		panic("the disk went away");
	return blkfront_is_ready(disk);
}

static uint64_t octal(const char *text, unsigned int digits)
{
	uint64_t number = 0;

	for (; digits && *text >= '0' && *text <= '7'; digits--, text++)
		number = number * 8 + (uint64_t)(*text - '0');
	return number;
}

/* Names are kept as the server asks for them: "./a" and "a" are "/a". */
static void add_page(const struct tar_header *header, uint64_t sector, uint64_t bytes)
{
	struct page *page = &pages[nr_pages];
	const char *name = header->name;

	if (name[0] == '.' && name[1] == '/')
		name += 2;
	if (nr_pages == MAX_PAGES || (header->type != '0' && header->type) || bytes > INT32_MAX)
		return;
	page->name[0] = '/';
	for (unsigned int i = 0; name + i < header->name + sizeof(header->name) && name[i]; i++)
		page->name[1 + i] = name[i];
	page->sector = sector;
	page->bytes = (uint32_t)bytes;
	nr_pages++;
}

static void read_table(uint64_t sectors)
{
	static char sector[4096] __attribute__((aligned(8)));
	const struct tar_header *header = (void *)sector;
	uint64_t at = 0;

	while (at < sectors) {
		uint64_t bytes;
		long result = blkfront_transfer(disk, BLK_READ, at, sector, SECTOR);

		if (result)
			panic("sector %lu of the disk can't be read: error %ld", at, -result);
		if (memcmp(header->magic, "ustar", 5))
			break;
		bytes = octal(header->size, sizeof(header->size));
		add_page(header, at + 1, bytes);
		at += 1 + (bytes + SECTOR - 1) / SECTOR;
	}
}

void pages_start(void)
{
	struct blkfront_info info;
	long result = blkfront_open(51712, NULL, &disk);

	if (result)
		panic("there is no disk xvda: error %ld; give the guest one", -result);
	wait_until(disk_is_ready, NULL);
	blkfront_info(disk, &info);
	read_table(info.sectors);
	if (!nr_pages)
		panic("disk xvda has no pages: write a tar archive to it (tar --format=ustar -cf disk.img ...)");
	printf("web: %u pages\n", nr_pages);
}

/* ---- the server's files ---- */

static const struct page *find(const char *name)
{
	for (unsigned int i = 0; i < nr_pages; i++)
		if (!strcmp(pages[i].name, name))
			return &pages[i];
	return NULL;
}

static void release(struct open_page *open)
{
	struct open_page **at = &all;

	while (*at != open)
		at = &(*at)->next;
	*at = open->next;
	heap_pages_free(open->buffer, BUFFER_BYTES / PAGE_SIZE);
	heap_free(open);
}

err_t fs_open(struct fs_file *file, const char *name)
{
	const struct page *page = find(name);
	struct open_page *open = page ? heap_alloc(sizeof(*open)) : NULL;

	if (!open)
		return ERR_VAL;
	open->buffer = heap_pages(BUFFER_BYTES / PAGE_SIZE);
	if (!open->buffer) {
		heap_free(open);
		return ERR_MEM;
	}
	open->page = page;
	open->next = all;
	all = open;
	memset(file, 0, sizeof(*file));
	file->len = (int)page->bytes;
	file->is_custom_file = 1;
	file->pextension = open;
	return ERR_OK;
}

void fs_close(struct fs_file *file)
{
	struct open_page *open = file->pextension;

	if (open->reading)
		open->closed = true;	/* the disk still writes to the buffer */
	else
		release(open);
}

int fs_bytes_left(struct fs_file *file)
{
	return file->len - file->index;
}

int fs_is_file_ready(struct fs_file *file, fs_wait_cb tell, void *argument)
{
	(void)file, (void)tell, (void)argument;
	return 1;
}

/* In an event handler. */
static void read_done(struct blk_request *request)
{
	struct open_page *open = request->argument;

	__atomic_store_n(&open->over, true, __ATOMIC_RELEASE);
	os_wake(xenbus_waiter());
}

static void start_reading(struct open_page *open, uint64_t sector)
{
	uint64_t left = open->page->sector + (open->page->bytes + SECTOR - 1) / SECTOR - sector;

	open->sector = sector;
	open->full = open->over = false;
	open->reading = true;
	open->request = (struct blk_request){ .operation = BLK_READ, .sector = sector, .buffer = open->buffer,
					      .bytes = (left < BUFFER_BYTES / SECTOR ? left : BUFFER_BYTES / SECTOR) * SECTOR,
					      .done = read_done, .argument = open };
	blkfront_submit(disk, 0, &open->request);
}

int fs_read_async(struct fs_file *file, char *to, int count, fs_wait_cb tell, void *argument)
{
	struct open_page *open = file->pextension;
	uint64_t sector = open->page->sector + (unsigned int)file->index / SECTOR;
	uint32_t at, there;

	if (file->index >= file->len)
		return FS_READ_EOF;
	if (!open->reading && open->full && open->request.status)
		return FS_READ_EOF;	/* cut off: the length in the header tells the reader */
	if (open->reading || !open->full || sector < open->sector || sector >= open->sector + BUFFER_BYTES / SECTOR) {
		open->tell = tell;
		open->tell_argument = argument;
		if (!open->reading)
			start_reading(open, sector);
		return FS_READ_DELAYED;
	}
	at = (uint32_t)((sector - open->sector) * SECTOR) + (unsigned int)file->index % SECTOR;
	there = BUFFER_BYTES - at;
	if (there > (uint32_t)(file->len - file->index))
		there = (uint32_t)(file->len - file->index);
	if (there > (uint32_t)count)
		there = (uint32_t)count;
	memcpy(to, (char *)open->buffer + at, there);
	file->index += (int)there;
	return (int)there;
}

/* The first page whose read is over; it is not being read any more then. */
static struct open_page *next_over(void)
{
	struct open_page *open = all;

	while (open && !(open->reading && __atomic_load_n(&open->over, __ATOMIC_ACQUIRE)))
		open = open->next;
	return open;
}

bool pages_poll(void)
{
	struct open_page *open;
	bool some = false;

	for (; (open = next_over()); some = true) {
		open->reading = false;
		open->full = true;
		if (open->closed)
			release(open);
		else
			open->tell(open->tell_argument);
	}
	return some;
}
