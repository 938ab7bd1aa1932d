/* SPDX-License-Identifier: MIT */
/* What kind of file the dom0 kernel module is, and getting the ELF image out of it. */
#ifndef BOOT_BZIMAGE_H
#define BOOT_BZIMAGE_H

#include "boot/decompress.h"
#include "lib/types.h"

enum image_kind { IMAGE_UNUSABLE, IMAGE_ELF, IMAGE_BZIMAGE };
enum image_packing { PACKING_NONE, PACKING_GZIP, PACKING_XZ, PACKING_ZSTD };

struct image_info {
	enum image_kind kind;
	enum image_packing packing;
	const char *packing_name; /* "gzip" and so on; "none" for an ELF image */
	u16 protocol;		  /* boot protocol of a bzImage, 0x20f for 2.15; 0 for an ELF image */
	/*
	 * Where in the module the image, packed or not, lies; known also of a bzImage that is unusable only because nothing
	 * here unpacks its kind (packing_name).
	 */
	const u8 *payload;
	u64 payload_len;	  /* bytes; the packed stream alone */
	u64 unpacked_len;	  /* bytes the image will have: room to provide for image_unpack() */
	const char *error;	  /* what was found and what is accepted (static); NULL if usable */
};

/*
 * image_probe - find out what a boot module is
 * @p, @len: the module, not trusted
 * @info: filled in always
 *
 * Returns 0 when it is something to start dom0 from; or -EINVAL with
 * info->error, a sentence that can be printed behind the module's name.
 * Nothing is unpacked: the payload may still turn out to be damaged.
 */
int image_probe(const void *p, u64 len, struct image_info *info);

/*
 * image_unpack - get the ELF image of a probed module
 * @info: from image_probe(), which returned 0
 * @out, @cap: where to, and the room there: info->unpacked_len is enough
 * @work: DECODE_WORK_BYTES of scratch memory
 * @r: length and error, as the decoders give them
 *
 * Returns 0; -ENOSPC if @cap is too small; -EINVAL if the payload is damaged or
 * does not have the length that the module promised. An image that is not
 * packed is copied.
 */
int image_unpack(const struct image_info *info, void *out, u64 cap, void *work, struct decode_result *r);

#endif
