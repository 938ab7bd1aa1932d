// SPDX-License-Identifier: MIT
/*
 * Telling a dom0 kernel from everything else.
 *
 * A distribution's /boot/vmlinuz is a bzImage: some sectors of real-mode code
 * with a header in them, then the protected-mode kernel, inside which lies the
 * packed ELF image, the payload. Its place has been in the header since boot
 * protocol 2.08. The bytes are x86 Linux's boot protocol
 * (Documentation/x86/boot.rst):
 *
 *	0x1f1 u8   setup_sects, 0 meaning 4; the kernel starts at (it + 1) * 512
 *	0x1fe u16  0xaa55
 *	0x202      "HdrS"
 *	0x206 u16  protocol version
 *	0x248 u32  payload offset, from the start of the kernel
 *	0x24c u32  payload length
 *
 * The kernel's build puts the unpacked length behind the packed stream, four
 * bytes, lowest first, and counts them in the payload. With gzip it does not,
 * since gzip data ends so by itself.
 *
 * Invariant: a payload that is reported lies wholly within the module. The
 * error sentences are shown to whoever wrote the boot entry: each says what was
 * found, and what would have been right.
 *
 * No locks and no state.
 */
#include "boot/bzimage.h"
#include "lib/errno.h"
#include "lib/string.h"

#define ACCEPTED "; accepted is an ELF64 x86-64 vmlinux or a bzImage with gzip, xz or zstd payload"

#define SECTOR 512
#define BZ_SETUP_SECTS 0x1f1
#define BZ_BOOT_FLAG 0x1fe
#define BZ_MAGIC 0x202
#define BZ_PROTOCOL 0x206
#define BZ_PAYLOAD_OFFSET 0x248
#define BZ_PAYLOAD_LENGTH 0x24c
#define BZ_HEADER_END 0x250
#define BZ_PROTOCOL_MIN 0x208

#define ELF_HEADER_BYTES 64
#define ELF_CLASS 4
#define ELF_CLASS_64 2
#define ELF_DATA 5
#define ELF_DATA_LITTLE 1
#define ELF_MACHINE 18
#define ELF_MACHINE_X86_64 62

#define TRAILER_BYTES 4 /* the unpacked length */

/* How the payload's first bytes tell what packed it (Linux: the formats of CONFIG_KERNEL_*). */
static const struct magic {
	u8 bytes[6], len;
	enum image_packing packing;
	const char *name;
	const char *bzimage_error; /* a bzImage has this payload */
	const char *file_error;	   /* the module begins with it */
} magics[] = {
	{ { 0x1f, 0x8b }, 2, PACKING_GZIP, "gzip", NULL,
	  "is a gzip file by itself, not a kernel; unpack it first" ACCEPTED },
	{ { 0xfd, '7', 'z', 'X', 'Z', 0 }, 6, PACKING_XZ, "xz", NULL,
	  "is an xz file by itself, not a kernel; unpack it first" ACCEPTED },
	{ { 0x28, 0xb5, 0x2f, 0xfd }, 4, PACKING_ZSTD, "zstd", NULL,
	  "is a zstd file by itself, not a kernel; unpack it first" ACCEPTED },
	{ { 'B', 'Z', 'h' }, 3, PACKING_NONE, "bzip2", "is a bzImage with bzip2 payload" ACCEPTED,
	  "is a bzip2 file, not a kernel" ACCEPTED },
	{ { 0x5d, 0, 0 }, 3, PACKING_NONE, "lzma", "is a bzImage with lzma payload" ACCEPTED,
	  "is an lzma file, not a kernel" ACCEPTED },
	{ { 0x89, 'L', 'Z', 'O', 0, 0x0d }, 6, PACKING_NONE, "lzo", "is a bzImage with lzo payload" ACCEPTED,
	  "is an lzo file, not a kernel" ACCEPTED },
	{ { 0x02, 0x21, 0x4c, 0x18 }, 4, PACKING_NONE, "lz4", "is a bzImage with lz4 payload" ACCEPTED,
	  "is an lz4 file, not a kernel" ACCEPTED },
	{ { '0', '7', '0', '7', '0', '1' }, 6, PACKING_NONE, "cpio", "is a bzImage with a cpio archive as payload" ACCEPTED,
	  "is a cpio archive: an initramfs stands where the kernel should; give the kernel as the first module" ACCEPTED },
};

static int unusable(struct image_info *info, const char *error)
{
	info->kind = IMAGE_UNUSABLE;
	info->error = error;
	return -EINVAL;
}

static const struct magic *find_magic(const u8 *p, u64 len)
{
	for (u32 i = 0; i < ARRAY_SIZE(magics); i++) {
		if (len >= magics[i].len && !memcmp(p, magics[i].bytes, magics[i].len))
			return &magics[i];
	}
	return NULL;
}

static bool is_elf(const u8 *p, u64 len)
{
	return len >= 4 && !memcmp(p, "\177ELF", 4);
}

/* An ELF image as it is. Only what decides whether it is for this machine; elf.c looks at the rest. */
static int probe_elf(const u8 *p, u64 len, struct image_info *info)
{
	if (len < ELF_HEADER_BYTES)
		return unusable(info, "is an ELF file that ends within its header" ACCEPTED);
	if (p[ELF_CLASS] != ELF_CLASS_64)
		return unusable(info, "is a 32-bit ELF file" ACCEPTED);
	if (p[ELF_DATA] != ELF_DATA_LITTLE || load16(p + ELF_MACHINE) != ELF_MACHINE_X86_64)
		return unusable(info, "is an ELF file for another kind of processor" ACCEPTED);
	info->kind = IMAGE_ELF;
	info->packing_name = "none";
	info->payload = p;
	info->payload_len = info->unpacked_len = len;
	return 0;
}

static int probe_payload(const u8 *p, u64 len, struct image_info *info)
{
	const struct magic *m = find_magic(p, len);

	if (!m && is_elf(p, len)) {
		u16 protocol = info->protocol;
		int err = probe_elf(p, len, info);

		info->protocol = protocol;
		return err;
	}
	if (!m)
		return unusable(info, "is a bzImage with a payload of unknown kind" ACCEPTED);
	info->packing_name = m->name;
	if (len <= (u64)m->len + TRAILER_BYTES)
		return unusable(info, "is a bzImage whose payload is too short to be a kernel; copy the file anew");
	info->packing = m->packing;
	info->payload = p;
	info->payload_len = m->packing == PACKING_GZIP ? len : len - TRAILER_BYTES;
	info->unpacked_len = load32(p + len - TRAILER_BYTES);
	if (!info->unpacked_len)
		return unusable(info, "is a bzImage that says it is empty when unpacked; copy the file anew");
	if (m->bzimage_error)
		return unusable(info, m->bzimage_error);
	info->kind = IMAGE_BZIMAGE;
	return 0;
}

static int probe_bzimage(const u8 *p, u64 len, struct image_info *info)
{
	u64 setup, offset, size;

	if (len < BZ_HEADER_END)
		return unusable(info, "is a bzImage that ends within its header; copy the file anew");
	info->protocol = load16(p + BZ_PROTOCOL);
	if (info->protocol < BZ_PROTOCOL_MIN)
		return unusable(info, "is a bzImage of a boot protocol before 2.08 (Linux 2.6.26)" ACCEPTED);
	setup = (u64)((p[BZ_SETUP_SECTS] ? p[BZ_SETUP_SECTS] : 4) + 1) * SECTOR;
	offset = setup + load32(p + BZ_PAYLOAD_OFFSET);
	size = load32(p + BZ_PAYLOAD_LENGTH);
	if (offset > len || size > len - offset)
		return unusable(info, "is a bzImage that ends before its payload does; copy the file anew");
	return probe_payload(p + offset, size, info);
}

int image_probe(const void *module, u64 len, struct image_info *info)
{
	const struct magic *m;
	const u8 *p = module;

	*info = (struct image_info){ .kind = IMAGE_UNUSABLE };
	if (!len)
		return unusable(info, "is empty" ACCEPTED);
	if (is_elf(p, len))
		return probe_elf(p, len, info);
	if (len >= BZ_MAGIC + 4 && load16(p + BZ_BOOT_FLAG) == 0xaa55 && !memcmp(p + BZ_MAGIC, "HdrS", 4))
		return probe_bzimage(p, len, info);
	m = find_magic(p, len);
	if (m)
		return unusable(info, m->file_error);
	return unusable(info, "is neither an ELF file nor a bzImage" ACCEPTED);
}
