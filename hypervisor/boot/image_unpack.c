// SPDX-License-Identifier: MIT
/*
 * Unpacking a dom0 kernel that boot/bzimage.c has recognised. A file of its own, since dom0's programs use that one
 * with other decoders.
 *
 * No locks and no state.
 */
#include "boot/bzimage.h"
#include "lib/errno.h"
#include "lib/string.h"

int image_unpack(const struct image_info *info, void *out, u64 cap, void *work, struct decode_result *r)
{
	int err = -EINVAL;

	*r = (struct decode_result){ .error = "the image was not recognised, so it can't be unpacked" };
	if (info->kind == IMAGE_UNUSABLE)
		return err;
	switch (info->packing) {
	case PACKING_NONE:
		if (info->payload_len > cap) {
			r->error = "the image is longer than the space for it";
			return -ENOSPC;
		}
		memcpy(out, info->payload, info->payload_len);
		*r = (struct decode_result){ .out_len = info->payload_len };
		return 0;
	case PACKING_GZIP:
		err = gunzip(info->payload, info->payload_len, out, cap, work, DECODE_WORK_BYTES, r);
		break;
	case PACKING_XZ:
		err = unxz(info->payload, info->payload_len, out, cap, work, DECODE_WORK_BYTES, r);
		break;
	case PACKING_ZSTD:
		err = unzstd(info->payload, info->payload_len, out, cap, work, DECODE_WORK_BYTES, r);
		break;
	}
	if (!err && r->out_len != info->unpacked_len) {
		r->out_len = 0;
		r->error = "the bzImage unpacks to another length than it says; copy the file anew";
		err = -EINVAL;
	}
	return err;
}
