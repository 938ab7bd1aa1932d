// SPDX-License-Identifier: MIT
/*
 * Reads files of CPU microcode.
 *
 * Everything in them comes from a disk, so each length is checked against what
 * is left before it is used. The CPU verifies signatures; what is checked here
 * is that a piece is whole and for this CPU, and newer.
 *
 *   Intel   pieces one behind the other, each with a header of 48 bytes, whose 32-bit words add up to 0; behind the
 *           data there may be a table of further signatures (SDM 3, 10.11.1)
 *   AMD     containers: a table that maps CPUID signatures to a short id, then patches that name the id
 *           (AMD, "linux-firmware: amd-ucode", as its files are laid out)
 *   cpio    "newc" archives of the kind that come before an initramfs; the file's name says whose it is
 */
#include "x86/microcode.h"
#include "core/seam.h"
#include "lib/string.h"

struct intel_header {
	u32 version, revision, date, signature, checksum, loader, platforms, data_bytes, total_bytes, reserved[3];
};
_Static_assert(sizeof(struct intel_header) == 48, "SDM 3, table 10-8");

struct intel_extra {
	u32 count, checksum, reserved[3];
};

struct intel_signature {
	u32 signature, platforms, checksum;
};

#define INTEL_DEFAULT_DATA 2000 /* where the header says 0 */

#define AMD_MAGIC 0x00414d44
#define AMD_EQUIVALENCE 0
#define AMD_PATCH 1

struct amd_equivalent {
	u32 signature, mask, compare;
	u16 id, reserved;
};

struct amd_patch {
	u32 data_code, revision;
	u16 data_id;
	u8 data_blocks, init;
	u32 data_checksum, north, south;
	u16 id;
	u8 north_rev, south_rev, bios_rev, reserved[3];
	u32 match[8];
};
_Static_assert(sizeof(struct amd_patch) == 64, "AMD's header");

struct cpio_header {
	char magic[6], ino[8], mode[8], uid[8], gid[8], nlink[8], mtime[8], file_bytes[8], dev[32], name_bytes[8], check[8];
};
_Static_assert(sizeof(struct cpio_header) == 110, "newc");

static u32 word(const void *p)
{
	u32 v;

	memcpy(&v, p, 4);
	return v;
}

static u32 sum(const void *p, u32 bytes)
{
	u32 total = 0;

	for (u32 i = 0; i < bytes; i += 4)
		total += word((const u8 *)p + i);
	return total;
}

/* --- Intel ---------------------------------------------------------------------------------- */

static bool intel_fits(const struct microcode_cpu *cpu, u32 signature, u32 platforms)
{
	return signature == cpu->signature && (!platforms || platforms & cpu->platform);
}

/* Does the table behind the data name the CPU? -1: it is damaged. */
static int intel_extra_fits(const u8 *extra, u32 bytes, const struct microcode_cpu *cpu)
{
	struct intel_extra head;
	struct intel_signature s;

	if (bytes < sizeof(head))
		return bytes ? -1 : 0;
	memcpy(&head, extra, sizeof(head));
	if (head.count > (bytes - sizeof(head)) / sizeof(s) ||
	    sum(extra, sizeof(head) + head.count * sizeof(s)))
		return -1;
	for (u32 i = 0; i < head.count; i++) {
		memcpy(&s, extra + sizeof(head) + i * sizeof(s), sizeof(s));
		if (intel_fits(cpu, s.signature, s.platforms))
			return 1;
	}
	return 0;
}

static int intel_find(const u8 *p, u64 left, const struct microcode_cpu *cpu, struct microcode *out, const char **why)
{
	bool any = false;

	while (left >= sizeof(struct intel_header)) {
		struct intel_header h;
		u32 data, total;
		int extra;

		memcpy(&h, p, sizeof(h));
		if (h.version != 1 || h.loader != 1)
			break;
		any = true;
		data = h.data_bytes ?: INTEL_DEFAULT_DATA;
		total = h.data_bytes ? h.total_bytes : INTEL_DEFAULT_DATA + sizeof(h);
		if (data & 3 || total & 3 || total > left || total < sizeof(h) || data > total - sizeof(h)) {
			*why = "a piece is longer than the file";
			return -EINVAL;
		}
		if (sum(p, sizeof(h) + data)) {
			*why = "a checksum is wrong";
			return -EINVAL;
		}
		extra = intel_extra_fits(p + sizeof(h) + data, total - sizeof(h) - data, cpu);
		if (extra < 0) {
			*why = "a table of signatures is damaged";
			return -EINVAL;
		}
		if ((intel_fits(cpu, h.signature, h.platforms) || extra) && h.revision > out->revision)
			*out = (struct microcode){ p + sizeof(h), sizeof(h), p, total, h.revision };
		p += total;
		left -= total;
	}
	return any ? 0 : -ENOENT;
}

/* --- AMD -------------------------------------------------------------------------------------- */

/* The short id of the CPU, by a table; 0 where it is not in it. */
static u16 amd_id(const u8 *table, u32 bytes, u32 signature)
{
	struct amd_equivalent e;

	for (; bytes >= sizeof(e); table += sizeof(e), bytes -= sizeof(e)) {
		memcpy(&e, table, sizeof(e));
		if (e.signature == signature)
			return e.id;
	}
	return 0;
}

static int amd_find(const u8 *p, u64 left, const struct microcode_cpu *cpu, struct microcode *out, const char **why)
{
	bool any = false;
	u16 id = 0;

	while (left >= 8) {
		u32 type = word(p), bytes = word(p + 4);
		struct amd_patch patch;

		if (type == AMD_MAGIC) {
			/* A container begins; its first section is the table. */
			p += 4;
			left -= 4;
			any = true;
			id = 0;
			continue;
		}
		if (!any || type > AMD_PATCH)
			break;
		if (bytes > left - 8) {
			*why = "a section is longer than the file";
			return -EINVAL;
		}
		if (type == AMD_EQUIVALENCE) {
			id = amd_id(p + 8, bytes, cpu->signature);
		} else if (bytes >= sizeof(patch)) {
			memcpy(&patch, p + 8, sizeof(patch));
			if (id && patch.id == id && patch.revision > out->revision)
				*out = (struct microcode){ p + 8, 0, p + 8, bytes, patch.revision };
		}
		p += 8 + bytes;
		left -= 8 + bytes;
	}
	return any ? 0 : -ENOENT;
}

/* --- cpio ----------------------------------------------------------------------------------------- */

static bool hex8(const char *s, u32 *value)
{
	*value = 0;
	for (u32 i = 0; i < 8; i++) {
		u32 c = (u8)s[i], digit;

		if (c >= '0' && c <= '9')
			digit = c - '0';
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			digit = (c | 0x20) - 'a' + 10;
		else
			return false;
		*value = *value << 4 | digit;
	}
	return true;
}

/* The file `name` of the archive that `p` begins with. NULL: there is none. */
static const u8 *cpio_file(const u8 *p, u64 left, const char *name, u32 *bytes)
{
	while (left >= sizeof(struct cpio_header)) {
		const struct cpio_header *h = (const void *)p;
		u32 name_bytes, file_bytes;
		u64 body;

		if (memcmp(h->magic, "070701", 6) || !hex8(h->name_bytes, &name_bytes) || !hex8(h->file_bytes, &file_bytes))
			return NULL;
		body = ALIGN_UP(sizeof(*h) + (u64)name_bytes, 4ULL);
		if (!name_bytes || body > left || file_bytes > left - body)
			return NULL;
		if (name_bytes == strlen(name) + 1 && !memcmp(p + sizeof(*h), name, name_bytes)) {
			*bytes = file_bytes;
			return p + body;
		}
		body = min(ALIGN_UP(body + file_bytes, 4ULL), left);
		p += body;
		left -= body;
	}
	return NULL;
}

int microcode_find(const void *file, u64 bytes, const struct microcode_cpu *cpu, struct microcode *out,
		   const char **why)
{
	bool intel = cpu->vendor == VENDOR_INTEL;
	const u8 *p = file;
	u32 inner;

	*out = (struct microcode){ .revision = cpu->revision };
	*why = "";
	if (bytes >= 6 && !memcmp(p, "070701", 6)) {
		p = cpio_file(p, bytes, intel ? "kernel/x86/microcode/GenuineIntel.bin" :
						"kernel/x86/microcode/AuthenticAMD.bin", &inner);
		if (!p)
			return -ENOENT;
		bytes = inner;
	}
	if (intel)
		return intel_find(p, bytes, cpu, out, why);
	return cpu->vendor == VENDOR_AMD ? amd_find(p, bytes, cpu, out, why) : -ENOENT;
}
