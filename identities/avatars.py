"""Any picture into an avatar: borders trimmed, cropped to a square, flattened on white, a JPEG without metadata. Pure.

Pictures come from strangers by way of agents, so the work is bounded before a pixel is decoded: few formats, few
pixels, few passes, one picture at a time. The largest take 250 MB and a second.
"""

from __future__ import annotations

import threading
from io import BytesIO
from math import ceil, sqrt

from PIL import ExifTags, Image, ImageChops, ImageOps

from identities.errors import AvatarNotAnImage, AvatarTooManyPixels
from identities.limits import AVATAR_MAX_PIXELS, AVATAR_MAX_WEBP_PIXELS, AVATAR_SIDE_PIXELS

# What people have. Every decoder more is a door more.
_FORMATS = ("JPEG", "PNG", "GIF", "WEBP")
# Pictures are shrunk to about this before they are worked on; an avatar has a tenth of it.
_WORKING_PIXELS = 4_000_000
# A progressive JPEG says how often all of its pixels are gone over; encoders say about ten.
_MAX_JPEG_SCANS = 100
_JPEG_SCAN = b"\xff\xda"
# Of 255, in each channel: how far a border may vary and still be one. Lossy formats blur it a little.
_BORDER_TOLERANCE = 10
_JPEG_QUALITY = 88
# What a camera says about how it was held, and how the picture comes upright again (Exif 2.32, tag 274).
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_one_at_a_time = threading.Lock()


def make_avatar(content: bytes) -> bytes:
    """A square JPEG of AVATAR_SIDE_PIXELS. Raises AvatarNotAnImage and AvatarTooManyPixels."""
    with _one_at_a_time:
        image = _without_border(_decode(content))
    image = ImageOps.fit(image, (AVATAR_SIDE_PIXELS, AVATAR_SIDE_PIXELS), Image.Resampling.LANCZOS)
    image.info = {}  # a comment would be written again
    out = BytesIO()
    image.save(out, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return out.getvalue()


def _decode(content: bytes) -> Image.Image:
    """The upright picture on white, of about _WORKING_PIXELS at most."""
    try:
        with Image.open(BytesIO(content), formats=_FORMATS) as image:
            most = AVATAR_MAX_WEBP_PIXELS if image.format == "WEBP" else AVATAR_MAX_PIXELS
            if image.width * image.height > most:
                raise AvatarTooManyPixels(most)
            if image.format in ("JPEG", "MPO"):
                if content.count(_JPEG_SCAN) > _MAX_JPEG_SCANS:
                    raise AvatarNotAnImage
                # Decodes at a half, a quarter or an eighth of the size, as long as that is enough.
                image.draft("RGB", (2 * AVATAR_SIDE_PIXELS, 2 * AVATAR_SIDE_PIXELS))
            image.load()
            turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
            result = _on_white(_shrunk(image))
            return result if turn is None else result.transpose(turn)
    except (AvatarNotAnImage, AvatarTooManyPixels):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise AvatarTooManyPixels(AVATAR_MAX_PIXELS) from None
    except Exception:
        # Decoders fail in as many ways as there are broken files.
        raise AvatarNotAnImage from None


def _shrunk(image: Image.Image) -> Image.Image:
    """In RGB or RGBA, with as few copies of the whole as there can be."""
    if image.mode.startswith("I"):
        # 16 bits of grey; a plain conversion would clip them.
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    mode = "RGBA" if image.has_transparency_data else "RGB"
    if image.mode != mode:
        image = image.convert(mode)
    factor = ceil(sqrt(image.width * image.height / _WORKING_PIXELS))
    return image.reduce(factor) if factor > 1 else image


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == "RGBA":
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image


def _without_border(image: Image.Image) -> Image.Image:
    """Without a frame or bars in the colour of the first corner, and whole when all of it has that colour.

    Bars come in pairs: a flat sky, or the upper half of a flag, is no border.
    """
    corner = image.getpixel((0, 0))
    difference = ImageChops.difference(image, Image.new("RGB", image.size, corner))
    box = difference.point(lambda value: 255 if value > _BORDER_TOLERANCE else 0).getbbox()
    if box is None:
        return image
    (left, top, right, bottom), (width, height) = box, image.size
    if left == 0 or right == width:
        left, right = 0, width
    if top == 0 or bottom == height:
        top, bottom = 0, height
    return image.crop((left, top, right, bottom))
